// A fine-tuned encoder with its head as a folder that transformers and HeadedEncoder load: config.json with the model's
// class, model.safetensors, and the tokenizer's files as they were.
#pragma once

#include <string>
#include <vector>

#include "smidgen/base/file.h"
#include "smidgen/base/result.h"
#include "smidgen/learn/trainable_encoder.h"
#include "smidgen/model/encoder_heads.h"
#include "smidgen/model/softmax_head.h"

namespace smidgen {

// kCannotCreate when `folder` exists and !replace; when it holds a file this does not write, or a model this did not
// write (the weights' metadata say who did: an encoder's folder has the same files); when its parent is missing.
Status check_headed_target(const std::string& folder, bool replace);

// Fills `temporary`, on the file system of `folder`, which appears whole when it is committed, or not at all. `head`:
// (labels, dimensions) on every token's state; kQuestions: start and end, `labels` is empty; kTokens: `labels` has
// their names.
Result<StagedFolder> stage_headed_folder(const std::string& temporary, const std::string& folder, bool replace,
                                         TrainableEncoder& encoder, HeadKind kind, const SoftmaxHead& head,
                                         const std::vector<std::string>& labels);
// check_headed_target is asked once more just before.
Status commit_headed_folder(StagedFolder& staged, const std::string& folder, bool replace);

}  // namespace smidgen
