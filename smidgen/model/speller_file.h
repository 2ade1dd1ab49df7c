// A bundle's spelling.safetensors: what its speller knows (text/spelling.h), hashes of words and no text.
//   words    U64 (n)  rising
//   priors   U8  (n)
//   prefixes U8  (m)  a power of two, at least 8
// Its metadata name the rules texts are read by (SpellerParts::kRules): a bundle is not read by others than it was
// judged with.
#pragma once

#include <memory>
#include <string>

#include "smidgen/base/result.h"
#include "smidgen/text/spelling.h"

namespace smidgen {

inline constexpr char kSpellerFileName[] = "spelling.safetensors";

Status save_speller(const Speller& speller, const std::string& path);
// Untrusted: types, sizes and order are checked; kBadData names the file.
Result<std::shared_ptr<const Speller>> load_speller(const std::string& path);

}  // namespace smidgen
