#include "smidgen/text/template_tokenizer.h"

#include <algorithm>
#include <limits>

#include "smidgen/text/aligned_text.h"
#include "smidgen/text/unicode_tables.h"

namespace smidgen {

namespace {

// `text`, or its repair in `repaired`.
std::string_view valid_utf8(std::string_view text, std::string& repaired) {
  if (unicode::is_ascii(text) || unicode::is_utf8(text)) return text;
  repaired = unicode::repair_utf8(text);
  return repaired;
}

}  // namespace

Status Tokenizer::join_pair(std::span<const std::int32_t> first, std::span<const std::int32_t> second,
                            std::size_t tokens_max, EncodedPair& pair) const {
  const PairTemplate* around = pair_template();
  if (around == nullptr)
    return Error::bad_data("this tokenizer's `post_processor` does not say how to encode a pair of texts");
  const std::size_t taken = around->special_count() + first.size();
  if (taken > tokens_max || (taken == tokens_max && !second.empty()))
    return Error::bad_data("the first text takes " + std::to_string(first.size()) + " of " +
                           std::to_string(tokens_max) + " tokens and leaves no room for the second")
        .hint("shorten the first text");
  pair = {};
  const auto special = [&](const std::vector<PairTemplate::Special>& tokens) {
    for (const auto& [id, segment] : tokens) {
      pair.ids.push_back(id);
      pair.segments.push_back(segment);
    }
  };
  const auto text = [&](std::span<const std::int32_t> ids, std::int32_t segment) {
    pair.ids.insert(pair.ids.end(), ids.begin(), ids.end());
    pair.segments.resize(pair.ids.size(), segment);
  };
  special(around->before);
  pair.first_begin = pair.ids.size();
  pair.first_count = first.size();
  text(first, around->first_segment);
  special(around->between);
  pair.second_begin = pair.ids.size();
  pair.second_count = std::min(second.size(), tokens_max - taken);
  pair.cut = pair.second_count < second.size();
  text(second.first(pair.second_count), around->second_segment);
  special(around->after);
  return Ok{};
}

std::string_view TemplateTokenizer::token(std::int32_t id) const {
  if (id < 0 || static_cast<std::size_t>(id) >= shared_.tokens.size()) return {};
  return shared_.tokens[static_cast<std::size_t>(id)];
}

bool TemplateTokenizer::is_special(std::int32_t id) const {
  return std::binary_search(shared_.special.begin(), shared_.special.end(), id);
}

bool TemplateTokenizer::encode(std::string_view text, std::size_t tokens_max, std::vector<std::int32_t>& ids) const {
  SMIDGEN_CHECK(tokens_max >= shared_.before.size() + shared_.after.size());
  const std::size_t room = tokens_max - shared_.before.size() - shared_.after.size();
  ids.insert(ids.end(), shared_.before.begin(), shared_.before.end());
  const std::size_t start = ids.size();
  std::string repaired;
  // One more than fits tells whether the text is cut.
  encode_into(valid_utf8(text, repaired), {ids, room < kNoLimit - start ? start + room + 1 : kNoLimit});
  const bool cut = ids.size() - start > room;
  if (cut) ids.resize(start + room);
  ids.insert(ids.end(), shared_.after.begin(), shared_.after.end());
  return cut;
}

void TemplateTokenizer::encode_plain(std::string_view text, std::vector<std::int32_t>& ids) const {
  std::string repaired;
  encode_into(valid_utf8(text, repaired), {ids, kNoLimit});
}

void TemplateTokenizer::encode_spans(std::string_view text, std::vector<std::int32_t>& ids,
                                     std::vector<TextSpan>& spans) const {
  SMIDGEN_CHECK(text.size() < std::numeric_limits<std::uint32_t>::max());
  std::string repaired;
  const std::string_view valid = valid_utf8(text, repaired);
  SMIDGEN_CHECK(valid.size() < std::numeric_limits<std::uint32_t>::max());
  const std::size_t start = spans.size();
  spans_into(valid, ids, spans);
  if (repaired.empty()) return;
  const std::vector<std::uint32_t> map = repair_map(text);
  for (TextSpan& span : std::span(spans).subspan(start)) span = {map[span.begin], map[span.end]};
}

bool TemplateTokenizer::add_special_tokens(std::span<const std::int32_t> plain, std::size_t tokens_max,
                                           std::vector<std::int32_t>& ids) const {
  SMIDGEN_CHECK(tokens_max >= shared_.before.size() + shared_.after.size());
  const std::size_t room = tokens_max - shared_.before.size() - shared_.after.size();
  const auto kept = plain.first(std::min(plain.size(), room));
  ids.insert(ids.end(), shared_.before.begin(), shared_.before.end());
  ids.insert(ids.end(), kept.begin(), kept.end());
  ids.insert(ids.end(), shared_.after.begin(), shared_.after.end());
  return kept.size() < plain.size();
}

}  // namespace smidgen
