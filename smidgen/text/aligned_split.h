// Tokens matched in normalized text, with the bytes of the original text that each stands for.
#pragma once

#include <cstdint>
#include <string_view>

#include "smidgen/text/added_tokens.h"
#include "smidgen/text/aligned_text.h"

namespace smidgen {

// AddedTokenMatcher::split over `text`: on_text(piece) with an AlignedText, on_token(id, piece, span).
template <class OnText, class OnToken>
void split_aligned(const AddedTokenMatcher& tokens, const AlignedText& text, const OnText& on_text,
                   const OnToken& on_token) {
  const AlignedBytes bytes = to_bytes(text);
  const auto char_at = [&](const char* byte) {
    return bytes.chars[static_cast<std::size_t>(byte - bytes.bytes.data())];
  };
  tokens.split(
      bytes.bytes,
      [&](std::string_view piece) {
        const std::uint32_t first = char_at(piece.data()), last = char_at(piece.data() + piece.size());
        on_text(AlignedText(text.begin() + first, text.begin() + last));
        return true;
      },
      [&](std::int32_t id, std::string_view piece) {
        on_token(id, piece, span_of(text, char_at(piece.data()), char_at(piece.data() + piece.size())));
        return true;
      });
}

}  // namespace smidgen
