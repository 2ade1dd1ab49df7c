#include "smidgen/text/aligned_text.h"

#include <algorithm>

#include "smidgen/base/result.h"
#include "smidgen/text/pattern_tables.h"
#include "smidgen/text/unicode_tables.h"

namespace smidgen {

AlignedText align(std::string_view text, std::uint32_t begin) {
  AlignedText aligned;
  aligned.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const unicode::Decoded decoded = unicode::decode_one(text, at);
    const auto start = begin + static_cast<std::uint32_t>(at);
    aligned.push_back({decoded.c, {start, start + static_cast<std::uint32_t>(decoded.length)}});
    at += decoded.length;
  }
  return aligned;
}

AlignedText changed(const AlignedText& text, const std::vector<AlignedChange>& changes, std::uint32_t begin) {
  AlignedText out;
  out.reserve(changes.size());
  std::size_t at = 0;
  for (const auto& [c, change] : changes) {
    if (change > 0) {
      out.push_back({c, at == 0 ? TextSpan{begin, begin} : text[at - 1].span});
    } else {
      SMIDGEN_CHECK(at < text.size());
      out.push_back({c, text[at].span});
      at = std::min(text.size(), at + 1 + static_cast<std::size_t>(-change));
    }
  }
  return out;
}

AlignedText replaced(const AlignedText& text, const std::function<void(char32_t, std::vector<char32_t>&)>& replace) {
  AlignedText out;
  out.reserve(text.size());
  std::vector<char32_t> instead;
  for (const AlignedChar& old : text) {
    instead.clear();
    replace(old.c, instead);
    for (const char32_t c : instead) out.push_back({c, old.span});
  }
  return out;
}

namespace {

// The decomposition of `text` in canonical order, each code point with its change.
std::vector<AlignedChange> decomposition(const AlignedText& text) {
  std::vector<AlignedChange> changes;
  std::vector<char32_t> parts;
  changes.reserve(text.size());
  for (const AlignedChar& old : text) {
    parts.clear();
    unicode::append_decomposed(old.c, parts);
    for (std::size_t i = 0; i < parts.size(); ++i) changes.push_back({parts[i], i > 0 ? 1 : 0});
  }
  const auto order = [](const AlignedChange& change) { return unicode::record(change.c).order; };
  for (auto i = changes.begin(); i != changes.end();) {
    const auto end = std::find_if(i, changes.end(), [&](const AlignedChange& change) { return order(change) == 0; });
    std::stable_sort(i, end, [&](const AlignedChange& a, const AlignedChange& b) { return order(a) < order(b); });
    i = end == changes.end() ? end : end + 1;
  }
  return changes;
}

}  // namespace

AlignedText decomposed(const AlignedText& text, std::uint32_t begin) {
  return changed(text, decomposition(text), begin);
}

AlignedText composed(const AlignedText& text, std::uint32_t begin) {
  std::vector<char32_t> parts;
  std::vector<int> counts;
  for (const auto& [c, change] : decomposition(text)) {
    parts.push_back(c);
    counts.push_back(change);
  }
  unicode::compose_all(parts, counts);
  std::vector<AlignedChange> changes(parts.size());
  for (std::size_t i = 0; i < parts.size(); ++i) changes[i] = {parts[i], counts[i]};
  return changed(text, changes, begin);
}

AlignedBytes to_bytes(const AlignedText& text) {
  AlignedBytes out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    unicode::append_utf8(text[i].c, out.bytes);
    out.chars.resize(out.bytes.size(), static_cast<std::uint32_t>(i));
  }
  out.chars.push_back(static_cast<std::uint32_t>(text.size()));
  return out;
}

TextSpan span_of(const AlignedText& text, std::size_t first, std::size_t last) {
  SMIDGEN_CHECK(first < last && last <= text.size());
  return {text[first].span.begin, text[last - 1].span.end};
}

std::vector<std::uint32_t> repair_map(std::string_view original) {
  constexpr std::size_t kReplacementBytes = 3;
  std::vector<std::uint32_t> map;
  map.reserve(original.size() + 1);
  for (std::size_t at = 0; at < original.size();) {
    const unicode::Decoded decoded = unicode::decode_one(original, at);
    for (std::size_t i = 0; i < (decoded.valid ? decoded.length : kReplacementBytes); ++i)
      map.push_back(static_cast<std::uint32_t>(decoded.valid ? at + i : at));
    at += decoded.length;
  }
  map.push_back(static_cast<std::uint32_t>(original.size()));
  return map;
}

}  // namespace smidgen
