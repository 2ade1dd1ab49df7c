// Tokens that are matched in the text itself, ahead of the vocabulary: [SEP], <mask>, runs of spaces. How they match
// (the reference's added_vocabulary): leftmost first, the longest of those that start together; then single_word may
// refuse the match, and lstrip and rstrip take the white space beside it.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "smidgen/text/byte_trie.h"

namespace smidgen {

// A token matched in the text before (normalized: after) normalization.
struct AddedToken {
  std::string content;
  std::int32_t id = 0;
  bool single_word = false;             // only where no word character touches it
  bool lstrip = false, rstrip = false;  // takes the white space on its left, right
  bool normalized = false;
  bool special = false;
};

// Added tokens of one kind.
class AddedTokenMatcher {
 public:
  // patterns[i] is what token i looks like in the searched text; not empty, distinct.
  AddedTokenMatcher(std::vector<AddedToken> tokens, const std::vector<std::string>& patterns);
  bool empty() const { return tokens_.empty(); }

  // Cuts `text` (valid UTF-8) into tokens and the text between them, in order: on_text(piece), on_token(id, piece) with
  // the white space the token took. Both return false to stop.
  template <class OnText, class OnToken>
  void split(std::string_view text, const OnText& on_text, const OnToken& on_token) const;

 private:
  struct Found {
    std::size_t start = 0, stop = 0;
    std::size_t resume = 0;             // where the search goes on: the match without the white space it took
    const AddedToken* token = nullptr;  // null: none is left
  };
  // The next match at or after `at`; white space before `done` is another token's.
  Found next(std::string_view text, std::size_t at, std::size_t done) const;
  std::size_t next_start(std::string_view text, std::size_t at) const;

  std::vector<AddedToken> tokens_;
  ByteTrie trie_;
  std::array<bool, 256> starts_{};
  int only_start_ = -1;  // the one byte all patterns start with, or -1
};

template <class OnText, class OnToken>
void AddedTokenMatcher::split(std::string_view text, const OnText& on_text, const OnToken& on_token) const {
  std::size_t done = 0;  // text before this is given out; a token that takes spaces moves it ahead of the search
  for (std::size_t at = 0; !empty();) {
    const Found found = next(text, at, done);
    if (found.token == nullptr) break;
    at = found.resume;
    if (done < found.start && !on_text(text.substr(done, found.start - done))) return;
    if (!on_token(found.token->id, text.substr(found.start, found.stop - found.start))) return;
    done = found.stop;
  }
  if (done < text.size()) on_text(text.substr(done));
}

}  // namespace smidgen
