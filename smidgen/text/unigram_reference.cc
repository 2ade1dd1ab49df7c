#include "smidgen/text/unigram_reference.h"

#include <algorithm>
#include <limits>

#include "smidgen/text/plain_split.h"
#include "smidgen/text/unicode_tables.h"

namespace smidgen {

UnigramReference::UnigramReference(UnigramRules rules) : rules_(std::move(rules)) {
  for (std::size_t id = 0; id < rules_.model_end; ++id) vocabulary_[rules_.tokens[id]] = static_cast<std::int32_t>(id);
}

void UnigramReference::encode_plain(std::string_view text, std::vector<std::int32_t>& ids) const {
  std::vector<std::string> patterns;
  for (const AddedToken& token : rules_.added)
    patterns.push_back(token.normalized ? to_bytes(unigram_normalize_aligned(rules_, align(token.content), 0)).bytes
                                        : token.content);
  std::uint32_t begin = 0;  // only whether it is 0 matters
  for (const PlainPiece& piece : plain_split(unicode::repair_utf8(text), false, rules_.added, patterns)) {
    if (piece.id >= 0) {
      ids.push_back(piece.id);
      begin = 1;
      continue;
    }
    const AlignedText aligned = unigram_normalize_aligned(rules_, align(piece.text, begin), begin);
    begin = 1;
    const AlignedBytes bytes = to_bytes(aligned);
    for (const PlainPiece& inner : plain_split(bytes.bytes, true, rules_.added, patterns)) {
      if (inner.id >= 0) {
        ids.push_back(inner.id);
        continue;
      }
      const auto first = static_cast<std::ptrdiff_t>(bytes.chars[inner.begin]),
                 last = static_cast<std::ptrdiff_t>(bytes.chars[inner.begin + inner.text.size()]);
      for (const AlignedText& word : unigram_pieces(rules_, {aligned.begin() + first, aligned.begin() + last}))
        encode_piece(word, ids);
    }
  }
}

void UnigramReference::encode_piece(const AlignedText& piece, std::vector<std::int32_t>& ids) const {
  const double unknown = *std::min_element(rules_.scores.begin(), rules_.scores.end()) - 10;
  const auto spelled = [&](std::size_t first, std::size_t last) {
    return to_bytes(
               {piece.begin() + static_cast<std::ptrdiff_t>(first), piece.begin() + static_cast<std::ptrdiff_t>(last)})
        .bytes;
  };
  struct Best {
    double score = 0;
    std::int32_t id = -1;
    std::size_t start = 0;
    bool reached = false;
  };
  std::vector<Best> best(piece.size() + 1);
  for (std::size_t start = 0; start < piece.size(); ++start) {
    for (std::size_t end = start + 1; end <= piece.size(); ++end) {
      const auto token = vocabulary_.find(spelled(start, end));
      if (token == vocabulary_.end() && end > start + 1) continue;
      const std::int32_t id = token == vocabulary_.end() ? rules_.unknown_id : token->second;
      const double score =
          (token == vocabulary_.end() ? unknown : rules_.scores[static_cast<std::size_t>(id)]) + best[start].score;
      if (!best[end].reached || score > best[end].score) best[end] = {score, id, start, true};
    }
  }
  std::vector<std::pair<std::size_t, std::size_t>> cuts;
  for (std::size_t end = piece.size(); end > 0; end = best[end].start)
    cuts.insert(cuts.begin(), {best[end].start, end});
  for (std::size_t i = 0; i < cuts.size(); ++i) {
    std::size_t last = i;
    while (best[cuts[i].second].id == rules_.unknown_id && last + 1 < cuts.size() &&
           best[cuts[last + 1].second].id == rules_.unknown_id)
      ++last;
    const auto token = vocabulary_.find(spelled(cuts[i].first, cuts[last].second));
    ids.push_back(token == vocabulary_.end() ? rules_.unknown_id : token->second);
    i = last;
  }
}

}  // namespace smidgen
