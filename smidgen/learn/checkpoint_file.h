// Files that say how far training is. They are read by a later run that must never be led astray by them: a digest over
// everything in the file tells a damaged one from a good one.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "smidgen/base/result.h"
#include "smidgen/tensor/safetensors.h"

namespace smidgen {

// Safetensors with the digest in their metadata, written whole or not at all. Errors: kIo.
Status write_training_file(const std::string& path, std::vector<NamedTensor> tensors,
                           std::map<std::string, std::string> metadata);

// kBadData: no safetensors, or not what write_training_file wrote.
Result<Safetensors> open_training_file(const std::string& path);

// The metadata's text; empty when it is not there.
std::string text_of(const Safetensors& file, std::string_view name);

}  // namespace smidgen
