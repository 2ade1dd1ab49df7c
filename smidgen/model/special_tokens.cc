#include "smidgen/model/special_tokens.h"

#include <algorithm>
#include <string>

namespace smidgen {

std::size_t special_count(const Tokenizer& tokenizer) {
  std::vector<std::int32_t> around;
  tokenizer.add_special_tokens({}, SIZE_MAX, around);
  return around.size();
}

SpecialTokens::SpecialTokens(const Tokenizer& tokenizer) {
  constexpr std::size_t kNoLimit = std::size_t{1} << 30;
  std::vector<std::int32_t> around;
  tokenizer.encode("", kNoLimit, around);
  if (around.size() > 2) return;  // more than BERT's two would not fit the smallest tokens_max
  for (std::size_t split = 0; split <= around.size() && !known_; ++split) {
    const auto middle = around.begin() + static_cast<std::ptrdiff_t>(split);
    before_.assign(around.begin(), middle);
    after_.assign(middle, around.end());
    known_ = true;
    for (const char* probe : {"", "a", "one two", "the quick brown fox jumps over the lazy dog, twice!"}) {
      for (const std::size_t tokens_max : {std::size_t{2}, std::size_t{3}, std::size_t{7}, kNoLimit}) {
        std::vector<std::int32_t> plain, wrapped, encoded;
        tokenizer.encode_plain(probe, plain);
        const bool cut = wrap(plain, tokens_max, wrapped);
        known_ = known_ && cut == tokenizer.encode(probe, tokens_max, encoded) && wrapped == encoded;
      }
    }
  }
}

bool SpecialTokens::wrap(const std::vector<std::int32_t>& plain, std::size_t tokens_max,
                         std::vector<std::int32_t>& ids) const {
  const std::size_t room = tokens_max - std::min(tokens_max, before_.size() + after_.size());
  const std::size_t count = std::min(room, plain.size());
  ids.insert(ids.end(), before_.begin(), before_.end());
  ids.insert(ids.end(), plain.begin(), plain.begin() + static_cast<std::ptrdiff_t>(count));
  ids.insert(ids.end(), after_.begin(), after_.end());
  return count < plain.size();
}

}  // namespace smidgen
