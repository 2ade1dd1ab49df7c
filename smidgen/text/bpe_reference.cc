#include "smidgen/text/bpe_reference.h"

#include <optional>

#include "smidgen/text/plain_split.h"
#include "smidgen/text/unicode_tables.h"

namespace smidgen {

BpeReference::BpeReference(BpeRules rules) : rules_(std::move(rules)) {
  for (std::size_t id = 0; id < rules_.model_end; ++id) {
    if (!rules_.tokens[id].empty()) vocabulary_[rules_.tokens[id]] = static_cast<std::int32_t>(id);
  }
  for (std::size_t rank = 0; rank < rules_.merges.size(); ++rank) {
    const BpeMerge& merge = rules_.merges[rank];
    merges_[{merge.first, merge.second}] = {rank, merge.merged};
  }
}

void BpeReference::encode_plain(std::string_view text, std::vector<std::int32_t>& ids) const {
  std::vector<std::string> patterns;
  for (const AddedToken& token : rules_.added)
    patterns.push_back(token.normalized ? bpe_normalize(rules_, token.content) : token.content);
  for (const PlainPiece& piece : plain_split(unicode::repair_utf8(text), false, rules_.added, patterns)) {
    if (piece.id >= 0) {
      ids.push_back(piece.id);
      continue;
    }
    for (const PlainPiece& inner : plain_split(bpe_normalize(rules_, piece.text), true, rules_.added, patterns)) {
      if (inner.id >= 0) {
        ids.push_back(inner.id);
      } else {
        encode_stretch(inner.text, ids);
      }
    }
  }
}

void BpeReference::encode_stretch(std::string text, std::vector<std::int32_t>& ids) const {
  if (rules_.add_prefix_space && !text.starts_with(' ')) text = " " + text;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = piece_end_reference(rules_.pattern, text, at);
    encode_word(text.substr(at, end - at), ids);
    at = end;
  }
}

void BpeReference::encode_word(const std::string& word, std::vector<std::int32_t>& ids) const {
  std::string spelled;
  for (const char c : word) unicode::append_utf8(byte_character(static_cast<unsigned char>(c)), spelled);
  if (const auto whole = vocabulary_.find(spelled); rules_.ignore_merges && whole != vocabulary_.end()) {
    ids.push_back(whole->second);
    return;
  }
  std::vector<std::int32_t> symbols;
  bool after_unknown = false;
  for (const char c : word) {
    std::string character;
    unicode::append_utf8(byte_character(static_cast<unsigned char>(c)), character);
    const auto known = vocabulary_.find(character);
    if (known != vocabulary_.end()) {
      symbols.push_back(known->second);
    } else if (rules_.unknown_id >= 0 && !(after_unknown && rules_.fuse_unknown)) {
      symbols.push_back(rules_.unknown_id);
    }
    after_unknown = known == vocabulary_.end();
  }
  for (;;) {
    std::optional<std::pair<std::size_t, std::size_t>> best;  // rank, place
    std::int32_t merged = -1;
    for (std::size_t i = 0; i + 1 < symbols.size(); ++i) {
      const auto merge = merges_.find({symbols[i], symbols[i + 1]});
      if (merge == merges_.end() || (best && best->first <= merge->second.first)) continue;
      best = {merge->second.first, i};
      merged = merge->second.second;
    }
    if (!best) break;
    symbols[best->second] = merged;
    symbols.erase(symbols.begin() + static_cast<std::ptrdiff_t>(best->second) + 1);
  }
  ids.insert(ids.end(), symbols.begin(), symbols.end());
}

}  // namespace smidgen
