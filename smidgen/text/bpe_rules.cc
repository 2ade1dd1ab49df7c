#include "smidgen/text/bpe_rules.h"

#include <algorithm>
#include <array>

#include "smidgen/base/sha256.h"
#include "smidgen/text/pattern_tables.h"
#include "smidgen/text/unicode_tables.h"

namespace smidgen {

namespace {

constexpr std::size_t kByteCharacters = 0x144;  // the last is U+0143

// Printable Latin-1 stands for itself; the other bytes are numbered on from U+0100.
constexpr std::array<char32_t, 256> byte_characters() {
  std::array<char32_t, 256> characters{};
  char32_t next = 0x100;
  for (char32_t byte = 0; byte < 256; ++byte) {
    const bool printable = (byte >= '!' && byte <= '~') || (byte >= 0xa1 && byte != 0xad);
    characters[byte] = printable ? byte : next++;
  }
  return characters;
}
constexpr std::array<char32_t, 256> kCharacters = byte_characters();

constexpr std::array<std::int16_t, kByteCharacters> character_bytes() {
  std::array<std::int16_t, kByteCharacters> bytes{};
  bytes.fill(-1);
  for (std::size_t byte = 0; byte < 256; ++byte) bytes[kCharacters[byte]] = static_cast<std::int16_t>(byte);
  return bytes;
}
constexpr std::array<std::int16_t, kByteCharacters> kBytes = character_bytes();

}  // namespace

char32_t byte_character(unsigned char byte) {
  return kCharacters[byte];
}

int character_byte(char32_t c) {
  return c < kByteCharacters ? kBytes[c] : -1;
}

bool token_bytes(std::string_view token, std::string& bytes) {
  bytes.clear();
  for (std::size_t at = 0; at < token.size();) {
    const unicode::Decoded decoded = unicode::decode_one(token, at);
    const int byte = character_byte(decoded.c);
    if (byte < 0) return false;
    bytes += static_cast<char>(byte);
    at += decoded.length;
  }
  return true;
}

std::string BpeRules::fingerprint() const {
  std::string all = "byte-level bpe 1\n";  // raise the number when equal rules give other ids
  append_vocabulary(*this, all);
  append_rule(static_cast<std::int64_t>(merges.size()), all);
  for (const BpeMerge& merge : merges) {
    append_rule(merge.first, all);
    append_rule(merge.second, all);
    append_rule(merge.merged, all);
  }
  append_rule(static_cast<std::int64_t>(pattern), all);
  for (const bool flag : {nfc, add_prefix_space, ignore_merges, fuse_unknown}) append_rule(flag ? 1 : 0, all);
  append_added(*this, all);
  return sha256_hex(all);
}

std::string bpe_normalize(const BpeRules& rules, std::string_view text) {
  if (!rules.nfc || unicode::is_ascii(text)) return std::string(text);
  std::vector<char32_t> from, parts;
  unicode::decode(text, from);
  unicode::decompose(from, parts);
  std::vector<int> changes(parts.size());
  unicode::compose_all(parts, changes);
  std::string out;
  for (const char32_t c : parts) unicode::append_utf8(c, out);
  return out;
}

AlignedText bpe_normalize_aligned(const BpeRules& rules, AlignedText text, std::uint32_t begin) {
  return rules.nfc ? composed(text, begin) : std::move(text);
}

}  // namespace smidgen
