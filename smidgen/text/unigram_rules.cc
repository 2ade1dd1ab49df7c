#include "smidgen/text/unigram_rules.h"

#include <algorithm>
#include <bit>

#include "smidgen/base/sha256.h"
#include "smidgen/text/unicode_tables.h"

namespace smidgen {

namespace {

std::vector<char32_t> points_of(const AlignedText& text) {
  std::vector<char32_t> points;
  points.reserve(text.size());
  for (const AlignedChar& c : text) points.push_back(c.c);
  return points;
}

bool is_blank(const AlignedChar& c) {
  return unicode::is_space(c.c);
}

AlignedText stripped(const UnigramStep& step, AlignedText text) {
  if (step.right) {
    while (!text.empty() && is_blank(text.back())) text.pop_back();
  }
  if (step.left) text.erase(text.begin(), std::find_if_not(text.begin(), text.end(), is_blank));
  return text;
}

// What replaces a run stands where the last space of the run does.
AlignedText joined_spaces(const UnigramStep& step, const AlignedText& text) {
  AlignedText out;
  std::vector<char32_t> content;
  unicode::decode(step.content, content);
  for (std::size_t i = 0; i < text.size();) {
    std::size_t end = i;
    while (end < text.size() && text[end].c == U' ') ++end;
    if (end - i >= 2) {
      for (const char32_t c : content) out.push_back({c, text[end - 1].span});
      i = end;
    } else {
      out.push_back(text[i++]);
    }
  }
  return out;
}

std::string joined_spaces(const UnigramStep& step, const std::string& text) {
  std::string out;
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t end = std::min(text.find_first_not_of(' ', i), text.size());
    if (end - i >= 2) {
      out += step.content;
      i = end;
    } else {
      out += text[i++];
    }
  }
  return out;
}

void strip(const UnigramStep& step, std::string& text) {
  while (step.right && !text.empty()) {
    const std::size_t last = unicode::previous_start(text, text.size());
    if (!unicode::is_space(unicode::decode_one(text, last).c)) break;
    text.resize(last);
  }
  std::size_t first = 0;
  while (step.left && first < text.size()) {
    const unicode::Decoded decoded = unicode::decode_one(text, first);
    if (!unicode::is_space(decoded.c)) break;
    first += decoded.length;
  }
  text.erase(0, first);
}

}  // namespace

std::string UnigramRules::fingerprint() const {
  std::string all = "unigram 1\n";  // raise the number when equal rules give other ids
  append_vocabulary(*this, all);
  for (const double score : scores) append_rule(std::bit_cast<std::int64_t>(score), all);
  append_rule(static_cast<std::int64_t>(steps.size()), all);
  for (const UnigramStep& step : steps) {
    append_rule(static_cast<std::int64_t>(step.kind), all);
    append_rule(step.charsmap ? std::string_view(step.charsmap->bytes()) : std::string_view(), all);
    append_rule((step.left ? 2 : 0) + (step.right ? 1 : 0), all);
    append_rule(std::string_view(step.content), all);
  }
  append_rule(whitespace_split ? 1 : 0, all);
  append_rule(replacement, all);
  append_rule(static_cast<std::int64_t>(prepend), all);
  append_rule(split ? 1 : 0, all);
  append_added(*this, all);
  return sha256_hex(all);
}

std::string unigram_normalize(const UnigramRules& rules, std::string_view text) {
  std::string out(text);
  for (const UnigramStep& step : rules.steps) {
    if (step.kind == UnigramStep::Kind::kCharsmap) {
      std::string mapped;
      mapped.reserve(out.size());
      step.charsmap->append(out, mapped);
      out = std::move(mapped);
    } else if (step.kind == UnigramStep::Kind::kStrip) {
      strip(step, out);
    } else {
      out = joined_spaces(step, out);
    }
  }
  return out;
}

AlignedText unigram_normalize_aligned(const UnigramRules& rules, AlignedText text, std::uint32_t begin) {
  for (const UnigramStep& step : rules.steps) {
    if (step.kind == UnigramStep::Kind::kCharsmap) {
      text = changed(text, step.charsmap->changes(points_of(text)), begin);
    } else if (step.kind == UnigramStep::Kind::kStrip) {
      text = stripped(step, std::move(text));
    } else {
      text = joined_spaces(step, text);
    }
  }
  return text;
}

std::vector<AlignedText> unigram_pieces(const UnigramRules& rules, const AlignedText& text) {
  std::vector<AlignedText> words(1);
  for (const AlignedChar& c : text) {
    if (!rules.whitespace_split || !is_blank(c)) {
      words.back().push_back(c);
    } else if (!words.back().empty()) {
      words.emplace_back();
    }
  }
  std::vector<AlignedText> pieces;
  for (AlignedText& word : words) {
    if (word.empty()) continue;
    const std::uint32_t start = word[0].span.begin;
    for (AlignedChar& c : word) {
      if (c.c == U' ') c.c = rules.replacement;
    }
    const bool wanted =
        rules.prepend == PrependScheme::kAlways || (rules.prepend == PrependScheme::kFirst && start == 0);
    if (wanted && word[0].c != rules.replacement) word.insert(word.begin(), {rules.replacement, word[0].span});
    for (std::size_t i = 0; i < word.size(); ++i) {
      if (i == 0 || (rules.split && word[i].c == rules.replacement)) pieces.emplace_back();
      pieces.back().push_back(word[i]);
    }
  }
  return pieces;
}

}  // namespace smidgen
