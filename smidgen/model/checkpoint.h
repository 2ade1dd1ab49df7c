// The weights of a Hugging Face folder.
#pragma once

#include <string>

#include "smidgen/base/result.h"
#include "smidgen/tensor/safetensors.h"

namespace smidgen {

// model.safetensors of `folder`. Where it is missing the error says what lies there instead and how to convert it;
// pickles are never read.
Result<Safetensors> open_checkpoint(const std::string& folder);

}  // namespace smidgen
