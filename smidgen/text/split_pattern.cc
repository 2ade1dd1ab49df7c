#include "smidgen/text/split_pattern.h"

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "smidgen/text/pattern_tables.h"
#include "smidgen/text/unicode_tables.h"

namespace smidgen {

namespace {

using unicode::PatternClass;

constexpr const char* kGpt2Text = R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
constexpr const char* kLlama3Text =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* kQwen2Text =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

struct Next {
  PatternClass kind;
  std::size_t length;
};

constexpr std::array<PatternClass, 128> ascii_classes() {
  std::array<PatternClass, 128> classes{};
  for (std::size_t c = 0; c < 128; ++c) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    const bool space = c == ' ' || (c >= '\t' && c <= '\r');
    classes[c] = letter                 ? PatternClass::kLetter
                 : c >= '0' && c <= '9' ? PatternClass::kNumber
                 : space                ? PatternClass::kSpace
                                        : PatternClass::kOther;
  }
  return classes;
}
constexpr std::array<PatternClass, 128> kAscii = ascii_classes();

inline Next next_class(std::string_view text, std::size_t at) {
  const auto byte = static_cast<unsigned char>(text[at]);
  if (byte < 128) return {kAscii[byte], 1};
  const unicode::Decoded decoded = unicode::decode_one(text, at);
  return {unicode::pattern_class(decoded.c), decoded.length};
}

// The end of the run of one class that starts at `at`; at most `count_max` code points.
inline std::size_t run_end(PatternClass kind, std::string_view text, std::size_t at,
                           std::size_t count_max = static_cast<std::size_t>(-1)) {
  for (; at < text.size() && count_max > 0; --count_max) {
    const Next next = next_class(text, at);
    if (next.kind != kind) break;
    at += next.length;
  }
  return at;
}

inline bool is_newline(char c) {
  return c == '\r' || c == '\n';
}

// 's 't 'm 'd 're 've 'll at text[at] == '\''; returns their end or `at`.
std::size_t contraction_end(std::string_view text, std::size_t at, bool any_case) {
  const auto lower = [&](std::size_t i) -> char {
    if (i >= text.size()) return '\0';
    const char c = text[i];
    return any_case && c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  };
  const char first = lower(at + 1), second = lower(at + 2);
  if (first == 's' || first == 't' || first == 'm' || first == 'd') return at + 2;
  if ((first == 'r' || first == 'v') && second == 'e') return at + 3;
  if (first == 'l' && second == 'l') return at + 3;
  // U+017F, the long s, is an s in any case.
  if (any_case && text.substr(at + 1, 2) == "\xc5\xbf") return at + 3;
  return at;
}

// \s+(?!\S)|\s+ : a run of white space leaves its last code point to what follows it.
std::size_t space_end(std::string_view text, std::size_t at) {
  std::size_t end = at, last = at;
  while (end < text.size()) {
    const Next next = next_class(text, end);
    if (next.kind != PatternClass::kSpace) return last > at ? last : end;
    last = end;
    end += next.length;
  }
  return end;
}

std::size_t gpt2_end(std::string_view text, std::size_t at) {
  if (text[at] == '\'') {
    if (const std::size_t end = contraction_end(text, at, false); end > at) return end;
  }
  const std::size_t start = text[at] == ' ' && at + 1 < text.size() ? at + 1 : at;
  const Next next = next_class(text, start);
  if (next.kind == PatternClass::kSpace) return space_end(text, at);
  return run_end(next.kind, text, start + next.length);
}

std::size_t llama3_end(std::string_view text, std::size_t at, std::size_t digits_max) {
  if (text[at] == '\'') {
    if (const std::size_t end = contraction_end(text, at, true); end > at) return end;
  }
  const Next first = next_class(text, at);
  if (first.kind == PatternClass::kLetter) return run_end(PatternClass::kLetter, text, at + first.length);
  if (first.kind == PatternClass::kNumber) return run_end(PatternClass::kNumber, text, at, digits_max);
  const std::size_t after = at + first.length;
  const Next second = after < text.size() ? next_class(text, after) : Next{PatternClass::kSpace, 0};
  if (second.kind == PatternClass::kLetter && !is_newline(text[at])) return run_end(PatternClass::kLetter, text, after);
  if (first.kind == PatternClass::kOther || (text[at] == ' ' && second.kind == PatternClass::kOther)) {
    std::size_t end = run_end(PatternClass::kOther, text, first.kind == PatternClass::kOther ? at : after);
    while (end < text.size() && is_newline(text[end])) ++end;
    return end;
  }
  const std::size_t run = run_end(PatternClass::kSpace, text, at);
  for (std::size_t end = run; end > at; --end) {
    if (is_newline(text[end - 1])) return end;
  }
  return space_end(text, at);
}

// The twin: code points with their classes, one function an alternative, each giving the end of its match or -1.
struct Plain {
  std::vector<char32_t> text;
  using Test = std::function<bool(char32_t)>;

  static PatternClass kind(char32_t c) { return unicode::pattern_class(c); }
  bool is(std::size_t i, const Test& test) const { return i < text.size() && test(text[i]); }
  std::size_t many(std::size_t i, const Test& test, std::size_t most = static_cast<std::size_t>(-1)) const {
    while (most-- > 0 && is(i, test)) ++i;
    return i;
  }
  std::size_t word(const std::string& word, bool any_case) const {
    for (std::size_t i = 0; i < word.size(); ++i) {
      const auto lower = static_cast<char32_t>(word[i]);
      if (i >= text.size() ||
          !(text[i] == lower ||
            (any_case && i > 0 && (text[i] == lower - 'a' + 'A' || (lower == 's' && text[i] == 0x17f)))))
        return 0;
    }
    return word.size();
  }
};

std::size_t plain_count(SplitPattern pattern, const Plain& plain) {
  const auto letter = [](char32_t c) { return Plain::kind(c) == PatternClass::kLetter; };
  const auto number = [](char32_t c) { return Plain::kind(c) == PatternClass::kNumber; };
  const auto space = [](char32_t c) { return Plain::kind(c) == PatternClass::kSpace; };
  const auto other = [](char32_t c) { return Plain::kind(c) == PatternClass::kOther; };
  const auto newline = [](char32_t c) { return c == U'\r' || c == U'\n'; };
  const auto lead = [&](char32_t c) { return !newline(c) && !letter(c) && !number(c); };
  const auto blank = [](char32_t c) { return c == U' '; };
  const bool gpt2 = pattern == SplitPattern::kGpt2;
  for (const char* word : {"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"}) {
    if (const std::size_t count = plain.word(word, !gpt2)) return count;
  }
  // Each of X?Y+ : with X, then without it.
  for (const std::size_t skip : {std::size_t{1}, std::size_t{0}}) {
    if (skip == 1 && !plain.is(0, gpt2 ? Plain::Test(blank) : Plain::Test(lead))) continue;
    if (plain.is(skip, letter)) return plain.many(skip, letter);
  }
  if (gpt2) {
    for (const std::size_t skip : {std::size_t{1}, std::size_t{0}}) {
      if (skip == 1 && !plain.is(0, blank)) continue;
      if (plain.is(skip, number)) return plain.many(skip, number);
    }
  } else if (plain.is(0, number)) {
    return plain.many(0, number, pattern == SplitPattern::kLlama3 ? 3 : 1);
  }
  for (const std::size_t skip : {std::size_t{1}, std::size_t{0}}) {
    if (skip == 1 && !plain.is(0, blank)) continue;
    if (plain.is(skip, other))
      return plain.many(plain.many(skip, other), newline, gpt2 ? 0 : static_cast<std::size_t>(-1));
  }
  const std::size_t spaces = plain.many(0, space);
  if (!gpt2) {
    for (std::size_t before = spaces + 1; before-- > 0;) {  // \s* gives back until a newline follows
      if (plain.is(before, newline)) return plain.many(before, newline);
    }
  }
  for (std::size_t count = spaces; count > 0; --count) {
    if (count == plain.text.size() || space(plain.text[count])) return count;
  }
  return spaces;
}

}  // namespace

std::optional<SplitPattern> split_pattern(std::string_view regular_expression) {
  if (regular_expression == kGpt2Text) return SplitPattern::kGpt2;
  if (regular_expression == kLlama3Text) return SplitPattern::kLlama3;
  if (regular_expression == kQwen2Text) return SplitPattern::kQwen2;
  return {};
}

std::size_t piece_end(SplitPattern pattern, std::string_view text, std::size_t at) {
  if (pattern == SplitPattern::kGpt2) return gpt2_end(text, at);
  return llama3_end(text, at, pattern == SplitPattern::kLlama3 ? 3 : 1);
}

std::size_t piece_end_reference(SplitPattern pattern, std::string_view text, std::size_t at) {
  Plain plain;
  unicode::decode(text.substr(at), plain.text);
  std::size_t end = at;
  for (std::size_t count = plain_count(pattern, plain); count > 0; --count)
    end += unicode::decode_one(text, end).length;
  return end;
}

}  // namespace smidgen
