#include "smidgen/model/token_words.h"

#include <algorithm>
#include <cstddef>

#include "smidgen/text/bert_tokenizer.h"
#include "smidgen/text/bpe_tokenizer.h"

namespace smidgen {

namespace {

constexpr std::string_view kUnigramSpace = "\u2581";  // what a space looks like in a token

}  // namespace

TokenWords::TokenWords(const Tokenizer& tokenizer) : tokenizer_(&tokenizer) {
  if (const auto* pieces = dynamic_cast<const BertTokenizer*>(&tokenizer)) {
    kind_ = Kind::kPieces;
    prefix_ = pieces->continuing_prefix();
  } else if (const auto* bytes = dynamic_cast<const BpeTokenizer*>(&tokenizer)) {
    kind_ = Kind::kByteLevel;
    pattern_ = bytes->pattern();
  }
}

std::vector<bool> TokenWords::continues(std::string_view text, std::span<const std::int32_t> ids,
                                        std::span<const TextSpan> spans) const {
  std::vector<std::size_t> piece_ends;
  for (std::size_t at = 0; kind_ == Kind::kByteLevel && at < text.size(); piece_ends.push_back(at))
    at = piece_end(pattern_, text, at);
  // A token's last byte says in which piece it lies: its first may be a space that its span leaves out.
  const auto piece = [&](const TextSpan& span) {
    const std::size_t byte = std::max<std::size_t>(span.end > span.begin ? span.end : span.begin, 1) - 1;
    return std::upper_bound(piece_ends.begin(), piece_ends.end(), byte) - piece_ends.begin();
  };
  std::vector<bool> continues(ids.size());
  for (std::size_t i = 1; i < ids.size(); ++i) {
    const std::string_view token = tokenizer_->token(ids[i]);
    const TextSpan &span = spans[i], &before = spans[i - 1];
    continues[i] = kind_ == Kind::kPieces
                       ? token.starts_with(prefix_) && token.size() > prefix_.size() && span.begin <= before.end
                   : kind_ == Kind::kMarks ? !token.starts_with(kUnigramSpace)
                                           : piece(span) == piece(before);
  }
  return continues;
}

}  // namespace smidgen
