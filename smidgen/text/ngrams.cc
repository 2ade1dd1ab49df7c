#include "smidgen/text/ngrams.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>

#include "smidgen/base/result.h"

namespace smidgen {
namespace {

enum Kind : std::uint8_t { kSpace = 0, kWord = 1, kOther = 2 };

// Python's str.isspace, word characters and everything else, for ASCII.
constexpr std::array<std::uint8_t, 256> make_ascii_kinds() {
  std::array<std::uint8_t, 256> kinds{};
  for (int c = 0; c < 256; ++c) {
    const bool space = c == ' ' || (c >= 9 && c <= 13) || (c >= 28 && c <= 31);
    const bool word = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
    kinds[static_cast<std::size_t>(c)] = space ? kSpace : word ? kWord : kOther;
  }
  return kinds;
}
constexpr auto kAsciiKinds = make_ascii_kinds();

constexpr std::array<std::uint8_t, 256> make_ascii_lower() {
  std::array<std::uint8_t, 256> lower{};
  for (int c = 0; c < 256; ++c) {
    lower[static_cast<std::size_t>(c)] = static_cast<std::uint8_t>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  }
  return lower;
}
constexpr auto kAsciiLower = make_ascii_lower();

std::uint8_t kind_of(std::uint32_t point) {
  if (point < 128) return kAsciiKinds[point];
  if (point == 0x85) return kSpace;
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(point))) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO:
      return kWord;
    case UTF8PROC_CATEGORY_ZS:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
      return kSpace;
    default:
      return kOther;
  }
}

// One multiplication a character; every step is a bijection of the state, so different last characters never collide.
inline std::uint64_t step(std::uint64_t hash, std::uint64_t point) {
  hash = (hash ^ point) * 0x9e3779b97f4a7c15ULL;
  return hash ^ (hash >> 32);
}
constexpr std::uint64_t kCharacterSeed = 0x243f6a8885a308d3ULL, kWordSeed = 0x13198a2e03707344ULL,
                        kPairSeed = 0xa4093822299f31d0ULL;
inline std::uint64_t pair_hash(std::uint64_t first, std::uint64_t second) {
  return step(step(kPairSeed, first), second);
}

// The n-grams of one padded word, points[0..n): lengths 2..5 from every start, in one pass.
template <class Point>
void append_word_characters(const Point* points, std::size_t n, std::vector<std::uint64_t>& hashes) {
  const auto at = [&](std::size_t i) -> std::uint64_t { return i == 0 || i == n + 1 ? ' ' : points[i - 1]; };
  const std::size_t padded = n + 2;
  const std::size_t old_size = hashes.size();
  hashes.resize(old_size + padded * (kNgramCharacterMax - kNgramCharacterMin + 1));
  std::uint64_t* out = hashes.data() + old_size;
  for (std::size_t start = 0; start + 1 < padded; ++start) {
    std::uint64_t hash = step(step(kCharacterSeed, at(start)), at(start + 1));
    *out++ = hash;
    const std::size_t end = std::min(padded, start + kNgramCharacterMax);
    for (std::size_t i = start + 2; i < end; ++i) *out++ = hash = step(hash, at(i));
  }
  hashes.resize(static_cast<std::size_t>(out - hashes.data()));
}

template <class Point, class KindAt>
void append_characters(const Point* points, std::size_t n, KindAt kind_at, std::vector<std::uint64_t>& hashes) {
  for (std::size_t i = 0; i < n;) {
    if (kind_at(i) == kSpace) {
      ++i;
      continue;
    }
    const std::size_t begin = i;
    while (i < n && kind_at(i) != kSpace) ++i;
    append_word_characters(points + begin, i - begin, hashes);
  }
}

template <class Point, class KindAt>
void append_words(const Point* points, std::size_t n, KindAt kind_at, bool rich, std::vector<std::uint64_t>& hashes) {
  bool have_previous = false;
  std::uint64_t previous = 0;
  for (std::size_t i = 0; i < n;) {
    const std::uint8_t kind = kind_at(i);
    if (kind == kSpace || (kind == kOther && !rich)) {
      ++i;
      continue;
    }
    const std::size_t begin = i;
    std::uint64_t hash = step(kWordSeed, points[i++]);
    if (kind == kWord) {
      for (; i < n && kind_at(i) == kWord; ++i) hash = step(hash, points[i]);
      if (!rich && i - begin < 2) continue;
    }
    hashes.push_back(hash);
    if (have_previous) hashes.push_back(pair_hash(previous, hash));
    previous = hash;
    have_previous = true;
  }
}

}  // namespace

std::string_view to_string(NgramBlock block) {
  switch (block) {
    case NgramBlock::kWords:
      return "words";
    case NgramBlock::kTokens:
      return "tokens";
    case NgramBlock::kCharacters:
      return "characters";
  }
  SMIDGEN_CHECK(false);
}

bool NgramText::prepare(std::string_view text, std::size_t code_points_max) {
  const std::size_t n = std::min(text.size(), code_points_max);
  bytes_.resize(n);
  std::uint8_t any = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const auto byte = static_cast<std::uint8_t>(text[i]);
    any |= byte;
    bytes_[i] = kAsciiLower[byte];
  }
  ascii_ = any < 128;
  cut_ = text.size() > n;
  if (!ascii_) prepare_unicode(text, code_points_max);
  return cut_;
}

void NgramText::prepare_unicode(std::string_view text, std::size_t code_points_max) {
  points_.clear();
  kinds_.clear();
  const auto* bytes = reinterpret_cast<const utf8proc_uint8_t*>(text.data());
  std::size_t i = 0;
  while (i < text.size() && points_.size() < code_points_max) {
    utf8proc_int32_t point = 0xfffd;
    if (bytes[i] < 128) {
      point = kAsciiLower[bytes[i++]];
    } else {
      const utf8proc_ssize_t used = utf8proc_iterate(bytes + i, static_cast<utf8proc_ssize_t>(text.size() - i), &point);
      i += used > 0 ? static_cast<std::size_t>(used) : 1;
      point = used > 0 ? utf8proc_tolower(point) : 0xfffd;
    }
    points_.push_back(static_cast<std::uint32_t>(point));
    kinds_.push_back(kind_of(points_.back()));
  }
  cut_ = i < text.size();
}

void NgramText::append(NgramBlock block, std::vector<std::uint64_t>& hashes) const {
  const auto run = [&](const auto* points, std::size_t n, auto kind_at) {
    if (block == NgramBlock::kCharacters) return append_characters(points, n, kind_at, hashes);
    append_words(points, n, kind_at, block == NgramBlock::kTokens, hashes);
  };
  if (ascii_) {
    run(bytes_.data(), bytes_.size(), [this](std::size_t i) { return kAsciiKinds[bytes_[i]]; });
  } else {
    run(points_.data(), points_.size(), [this](std::size_t i) { return kinds_[i]; });
  }
}

}  // namespace smidgen
