#include "smidgen/text/plain_split.h"

#include <string_view>

#include "smidgen/text/unicode_tables.h"

namespace smidgen {

using unicode::from_utf8;
using unicode::to_utf8;

std::vector<PlainPiece> plain_split(const std::string& text, bool normalized, const std::vector<AddedToken>& added,
                                    const std::vector<std::string>& patterns) {
  std::vector<PlainPiece> pieces;
  std::size_t done = 0;
  for (std::size_t at = 0; at < text.size();) {
    std::size_t best = patterns.size();
    for (std::size_t i = 0; i < patterns.size(); ++i) {
      if (added[i].normalized == normalized && text.compare(at, patterns[i].size(), patterns[i]) == 0 &&
          (best == patterns.size() || patterns[i].size() > patterns[best].size()))
        best = i;
    }
    if (best == patterns.size()) {
      ++at;
      continue;
    }
    const AddedToken& token = added[best];
    std::size_t start = at, stop = at + patterns[best].size();
    at = stop;
    const std::vector<char32_t> left = from_utf8(text.substr(0, start)), right = from_utf8(text.substr(stop));
    if (token.single_word &&
        ((!left.empty() && unicode::is_word(left.back())) || (!right.empty() && unicode::is_word(right.front()))))
      continue;
    for (auto c = left.rbegin(); token.lstrip && c != left.rend() && unicode::is_space(*c) && start > done; ++c)
      start -= to_utf8({*c}).size();
    for (auto c = right.begin(); token.rstrip && c != right.end() && unicode::is_space(*c); ++c)
      stop += to_utf8({*c}).size();
    if (done < start) pieces.push_back({-1, text.substr(done, start - done), done});
    pieces.push_back({token.id, {}, start});
    done = stop;
  }
  if (done < text.size()) pieces.push_back({-1, text.substr(done), done});
  return pieces;
}

}  // namespace smidgen
