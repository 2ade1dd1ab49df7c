#include "smidgen/text/charsmap.h"

#include <algorithm>
#include <cstring>

#include "smidgen/text/pattern_tables.h"
#include "smidgen/text/unicode_tables.h"

namespace smidgen {

namespace {

using unicode::Cluster;

constexpr std::size_t kVisitsMax = 200'000;        // nodes of a foreign trie looked at; nmt_nfkc has some 10,000
constexpr std::size_t kReplacementBytesMax = 256;  // the longest of nmt_nfkc has 33
constexpr std::size_t kUnitBytes = 4;

// A unit of the double array (darts-clone).
struct Unit {
  std::uint32_t bits;
  bool has_leaf() const { return (bits >> 8 & 1) != 0; }
  std::uint32_t value() const { return bits & 0x7fffffffU; }
  std::uint32_t label() const { return bits & 0x800000ffU; }
  std::size_t offset() const { return std::size_t{bits >> 10} << ((bits & 512U) >> 6); }
};

bool joined(Cluster before, Cluster after) {
  using enum Cluster;
  if (before == kCr && after == kLf) return true;                          // GB3
  if (before == kControl || before == kCr || before == kLf) return false;  // GB4
  if (after == kControl || after == kCr || after == kLf) return false;     // GB5
  if (before == kL)
    return after == kL || after == kV || after == kLv || after == kLvt ||                   // GB6
           after == kExtend || after == kZwj || after == kSpacingMark;                      // GB9
  if ((before == kLv || before == kV) && (after == kV || after == kT)) return true;         // GB7
  if ((before == kLvt || before == kT) && after == kT) return true;                         // GB8
  return after == kExtend || after == kZwj || after == kSpacingMark || before == kPrepend;  // GB9, GB9a, GB9b
}

}  // namespace

std::vector<std::size_t> cluster_ends(const std::vector<char32_t>& text) {
  std::vector<std::size_t> ends;
  std::size_t regionals = 0;               // regional indicators in a row before i
  bool pictograph = false;                 // Pictograph Extend* stands before i
  bool pictograph_zwj = false;             // .. and a ZWJ
  bool consonant = false, linker = false;  // Consonant [Extend Linker]* stands before i, with a linker in it
  for (std::size_t i = 0; i < text.size(); ++i) {
    const Cluster category = unicode::cluster_category(text[i]);
    const std::uint8_t record = unicode::pattern_record(text[i]);
    bool join = i > 0 && joined(unicode::cluster_category(text[i - 1]), category);
    if (i > 0 && category == Cluster::kRegional) join = join || regionals % 2 == 1;  // GB12, GB13
    if (category == Cluster::kPictograph && pictograph_zwj) join = true;             // GB11
    if (category == Cluster::kConsonant && consonant && linker) join = true;         // GB9c
    if (i > 0 && !join) ends.push_back(i);
    regionals = category == Cluster::kRegional ? regionals + 1 : 0;
    pictograph_zwj = pictograph && category == Cluster::kZwj;
    pictograph = category == Cluster::kPictograph || (pictograph && category == Cluster::kExtend);
    if (category == Cluster::kConsonant) {
      consonant = true;
      linker = false;
    } else if ((record & unicode::kConjunctLinker) != 0) {
      linker = true;
    } else if ((record & unicode::kConjunctExtend) == 0) {
      consonant = linker = false;
    }
  }
  if (!text.empty()) ends.push_back(text.size());
  return ends;
}

// The keys of a double array, depth first.
struct Charsmap::Keys {
  std::vector<Unit> units;
  std::string_view pool;
  std::vector<std::string> keys, replacements;
  std::size_t visits = 0;
  std::string key;

  Status read(std::string_view bytes) {
    std::uint32_t size = 0;
    if (bytes.size() < kUnitBytes) return Error::bad_data("is cut short");
    std::memcpy(&size, bytes.data(), kUnitBytes);
    if (size > bytes.size() - kUnitBytes) return Error::bad_data("is cut short");
    if (size < kUnitBytes) return Error::bad_data("has an empty trie");
    units.resize(size / kUnitBytes);
    std::memcpy(units.data(), bytes.data() + kUnitBytes, units.size() * kUnitBytes);
    // What is left of the size after whole units belongs to the replacements, as in the reference.
    pool = bytes.substr(kUnitBytes + units.size() * kUnitBytes);
    if (!unicode::is_utf8(pool)) return Error::bad_data("has replacements that are not UTF-8");
    return visit(units[0].offset());
  }

  // The children of the node whose children are numbered from `base`.
  Status visit(std::size_t base) {
    if (++visits > kVisitsMax) return Error::bad_data("has a trie of more than 65,536 nodes");
    for (std::size_t label = 1; label < 256; ++label) {
      const std::size_t at = base ^ label;
      if (at >= units.size() || units[at].label() != label) continue;
      key += static_cast<char>(label);
      const std::size_t next = at ^ units[at].offset();
      if (units[at].has_leaf()) {
        if (next >= units.size()) return Error::bad_data("has a value outside its trie");
        SMIDGEN_TRY(add(units[next].value()));
      } else if (key.size() + 1 < kClusterBytes) {
        SMIDGEN_TRY(visit(next));
      }
      key.pop_back();
    }
    return Ok{};
  }

  Status add(std::size_t start) {
    if (start > pool.size() || (start < pool.size() && (static_cast<unsigned char>(pool[start]) & 0xc0) == 0x80))
      return Error::bad_data("has a value that is no replacement");
    const std::string_view rest = pool.substr(start, kReplacementBytesMax + 1);
    const std::size_t size = std::min(rest.find('\0'), rest.size());
    if (size > kReplacementBytesMax) return Error::bad_data("has a replacement longer than 256 bytes");
    if (keys.size() >= kVisitsMax) return Error::bad_data("has more than 65,536 keys");
    keys.push_back(key);
    replacements.emplace_back(rest.substr(0, size));
    return Ok{};
  }
};

Result<Charsmap> Charsmap::parse(std::string_view bytes) {
  Keys keys;
  SMIDGEN_TRY(keys.read(bytes));
  Charsmap map;
  map.bytes_ = bytes;
  map.replacements_ = std::move(keys.replacements);
  const std::vector<std::string_view> views(keys.keys.begin(), keys.keys.end());
  std::vector<std::int32_t> values(views.size());
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<std::int32_t>(i);
  map.trie_ = ByteTrie(views, values);
  for (std::size_t c = 1; c < 128; ++c) map.ascii_[c] = map.find(std::string(1, static_cast<char>(c)));
  return map;
}

const std::string* Charsmap::find(std::string_view chunk) const {
  // No key is a prefix of another one: the longest match is the only one.
  const ByteTrie::Match match = trie_.longest(ByteTrie::kRoot, chunk);
  return match.length == 0 ? nullptr : &replacements_[static_cast<std::size_t>(match.value)];
}

void Charsmap::append(std::string_view text, std::string& out) const {
  const auto plain = [&](std::size_t at) { return at >= text.size() || static_cast<unsigned char>(text[at]) < 0x80; };
  std::size_t copied = 0;
  for (std::size_t at = 0; at < text.size();) {
    const auto c = static_cast<unsigned char>(text[at]);
    // An ASCII character joins what follows only as CR LF, or when a mark of another script follows.
    if (c < 0x80 && plain(at + 1) && c != '\r') {
      if (ascii_[c] != nullptr) {
        out.append(text.substr(copied, at - copied));
        out += *ascii_[c];
        copied = at + 1;
      }
      ++at;
      continue;
    }
    // Up to an ASCII character that neither a prepended mark before it nor a mark after it joins.
    std::size_t end = at + 1;
    while (!plain(end) || !plain(end + 1) || (end < text.size() && (!plain(end - 1) || text[end - 1] == '\r'))) ++end;
    out.append(text.substr(copied, at - copied));
    append_region(text.substr(at, end - at), out);
    copied = at = end;
  }
  out.append(text.substr(copied));
}

void Charsmap::append_region(std::string_view text, std::string& out) const {
  for (const AlignedChange& change : changes(unicode::from_utf8(text))) unicode::append_utf8(change.c, out);
}

std::vector<AlignedChange> Charsmap::changes(const std::vector<char32_t>& text) const {
  std::vector<AlignedChange> out;
  std::vector<char32_t> instead;
  std::string chunk;
  // The reference's bookkeeping: of more code points the last are insertions, of fewer the last stands for the rest,
  // and a removal with nothing before it is forgotten.
  const auto replace = [&](std::size_t count, const std::string& replacement) {
    instead.clear();
    unicode::decode(replacement, instead);
    for (const char32_t c : instead) out.push_back({c, 0});
    const std::size_t more = instead.size() > count ? instead.size() - count : 0;
    for (std::size_t i = 0; i < more; ++i) out[out.size() - 1 - i].change = 1;
    if (instead.size() < count && !out.empty()) out.back().change -= static_cast<int>(count - instead.size());
  };
  std::size_t start = 0;
  for (const std::size_t end : cluster_ends(text)) {
    chunk.clear();
    for (std::size_t i = start; i < end && chunk.size() < kClusterBytes; ++i) unicode::append_utf8(text[i], chunk);
    const std::string* whole = chunk.size() < kClusterBytes ? find(chunk) : nullptr;
    if (whole != nullptr) replace(end - start, *whole);
    for (std::size_t i = start; i < end && whole == nullptr; ++i) {
      chunk.clear();
      unicode::append_utf8(text[i], chunk);
      if (const std::string* one = find(chunk)) {
        replace(1, *one);
      } else {
        out.push_back({text[i], 0});
      }
    }
    start = end;
  }
  return out;
}

bool decode_base64(std::string_view text, std::string& bytes) {
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  bytes.clear();
  if (text.size() % 4 != 0) return false;
  std::size_t padding = 0;
  while (padding < 2 && text.size() > padding && text[text.size() - 1 - padding] == '=') ++padding;
  std::uint32_t bits = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const std::size_t digit = i < text.size() - padding ? kDigits.find(text[i]) : 0;
    if (digit == std::string_view::npos) return false;
    bits = bits << 6 | static_cast<std::uint32_t>(digit);
    if (i % 4 == 3) {
      for (const int shift : {16, 8, 0}) bytes += static_cast<char>(bits >> shift & 255);
      bits = 0;
    }
  }
  bytes.resize(bytes.size() - padding);
  return true;
}

}  // namespace smidgen
