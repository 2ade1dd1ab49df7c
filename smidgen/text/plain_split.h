// The plain twin of AddedTokenMatcher::split: every pattern tried at every byte.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "smidgen/text/added_tokens.h"

namespace smidgen {

struct PlainPiece {
  std::int32_t id = -1;   // of an added token, else -1
  std::string text;       // between tokens
  std::size_t begin = 0;  // where it starts, in bytes
};
// Cuts out the tokens of one kind; patterns[i] is what added[i] looks like in `text`, valid UTF-8.
std::vector<PlainPiece> plain_split(const std::string& text, bool normalized, const std::vector<AddedToken>& added,
                                    const std::vector<std::string>& patterns);

}  // namespace smidgen
