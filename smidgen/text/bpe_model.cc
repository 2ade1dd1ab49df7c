#include "smidgen/text/bpe_model.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <functional>
#include <memory>
#include <queue>
#include <span>

#include "smidgen/base/probe_run.h"

namespace smidgen {

namespace {

constexpr std::size_t kRememberedIds = 9;
constexpr std::size_t kRememberedPlaces = 8192;  // 512 KiB a thread

std::uint64_t pair_key(std::int32_t first, std::int32_t second) {
  return static_cast<std::uint64_t>(static_cast<std::uint32_t>(first)) << 32 | static_cast<std::uint32_t>(second);
}

// In the table of remembered words, where a crowd only forgets.
std::size_t remembered_place(ShortWords::Key key, std::size_t length) {
  const std::uint64_t mixed = (key.low ^ std::rotl(key.high + length, 29) * kFirstMultiplier) * 0xbf58476d1ce4e5b9ULL;
  return static_cast<std::size_t>(mixed ^ mixed >> 32) % kRememberedPlaces;
}

// Bytes of the character that stands for a byte, in UTF-8.
std::uint32_t character_size(char byte) {
  return byte_character(static_cast<unsigned char>(byte)) < 0x80 ? 1 : 2;
}

}  // namespace

struct BpeModel::Remembered {
  ShortWords::Key key;
  std::uint64_t serial_length_count = 0;  // serial * 2^16 + length * 2^8 + count
  std::array<std::int32_t, kRememberedIds> ids{};
};

BpeModel::BpeModel(const BpeRules& rules)
    : unknown_id_(rules.unknown_id), fuse_unknown_(rules.fuse_unknown), ignore_merges_(rules.ignore_merges) {
  static std::atomic<std::uint64_t> serials{0};
  serial_ = ++serials;
  byte_ids_.fill(-1);
  std::string bytes;
  for (std::size_t id = 0; id < rules.model_end; ++id) {
    if (!rules.tokens[id].empty() && token_bytes(rules.tokens[id], bytes) && bytes.size() == 1)
      byte_ids_[static_cast<unsigned char>(bytes[0])] = static_cast<std::int32_t>(id);
  }
  fill_merges(rules);
  fill_whole_words(rules);
}

void BpeModel::fill_merges(const BpeRules& rules) {
  const std::size_t slots = std::bit_ceil(rules.merges.size() * 2 + 2);
  merge_shift_ = 64 - std::countr_zero(slots);
  merges_.resize(slots);
  std::vector<std::uint64_t> pairs;
  for (const BpeMerge& merge : rules.merges) {
    pairs.push_back(pair_key(merge.first, merge.second));
    merged_.push_back(merge.merged);
  }
  const std::string_view bytes(reinterpret_cast<const char*>(pairs.data()), pairs.size() * sizeof pairs[0]);
  fill_uncrowded(
      std::span(&bytes, 1), slots,
      [&](std::uint64_t multiplier, std::size_t probes_max) {
        merge_multiplier_ = multiplier;
        return place_merges(pairs, probes_max);
      },
      [&](std::size_t at) { return merges_[at].pair != kEmpty; });
}

// False when a pair would stand more than probes_max from its place.
bool BpeModel::place_merges(const std::vector<std::uint64_t>& pairs, std::size_t probes_max) {
  merges_.assign(merges_.size(), Merge());
  for (std::size_t rank = 0; rank < pairs.size(); ++rank) {
    std::size_t at = merge_place(pairs[rank]);
    for (std::size_t probes = 0; merges_[at].pair != kEmpty && merges_[at].pair != pairs[rank];
         at = (at + 1) & (merges_.size() - 1))
      if (++probes > probes_max) return false;
    merges_[at] = {pairs[rank], static_cast<std::uint32_t>(rank), merged_[rank]};  // of equal pairs the last one counts
  }
  return true;
}

void BpeModel::fill_whole_words(const BpeRules& rules) {
  std::vector<std::pair<std::string, std::int32_t>> words;
  std::string bytes;
  for (std::size_t id = 0; id < rules.model_end; ++id) {
    if (!rules.tokens[id].empty() && token_bytes(rules.tokens[id], bytes))
      words.emplace_back(bytes, static_cast<std::int32_t>(id));
  }
  std::vector<ShortWords::Word> short_words;
  std::vector<Symbol> symbols;
  for (auto& [word, id] : words) {
    if (word.size() > ShortWords::kBytesMax) {
      if (ignore_merges_) long_words_.emplace_back(std::move(word), id);
      continue;
    }
    if (!ignore_merges_) {
      merge_word(word, symbols);
      if (symbols.size() != 1 || symbols[0].id != id) continue;
    }
    short_words.push_back({ShortWords::key_of(word), static_cast<std::uint32_t>(word.size()), id});
  }
  short_words_ = ShortWords(short_words);
  std::sort(long_words_.begin(), long_words_.end());
}

inline const BpeModel::Merge* BpeModel::find_merge(std::int32_t first, std::int32_t second) const {
  const std::uint64_t key = pair_key(first, second);
  const std::size_t mask = merges_.size() - 1;
  for (std::size_t at = merge_place(key);; at = (at + 1) & mask) {
    const Merge& merge = merges_[at];
    if (merge.pair == key) return &merge;
    if (merge.pair == kEmpty) return nullptr;
  }
}

std::int32_t BpeModel::whole_token(std::string_view word) const {
  if (word.size() <= ShortWords::kBytesMax) return short_words_.find(ShortWords::key_of(word), word.size());
  const auto at = std::lower_bound(long_words_.begin(), long_words_.end(), word,
                                   [](const auto& entry, std::string_view wanted) { return entry.first < wanted; });
  return at != long_words_.end() && at->first == word ? at->second : -1;
}

void BpeModel::encode(std::string_view word, std::vector<std::int32_t>& ids) const {
  thread_local std::vector<Symbol> symbols;
  thread_local std::unique_ptr<std::vector<Remembered>> remembered;
  if (word.size() > ShortWords::kBytesMax) {
    const std::int32_t whole = ignore_merges_ ? whole_token(word) : -1;
    if (whole >= 0) {
      ids.push_back(whole);
      return;
    }
    merge_word(word, symbols);
    for (const Symbol& symbol : symbols) ids.push_back(symbol.id);
    return;
  }
  const ShortWords::Key key = ShortWords::key_of(word);
  if (const std::int32_t whole = short_words_.find(key, word.size()); whole >= 0) {
    ids.push_back(whole);
    return;
  }
  if (!remembered) remembered = std::make_unique<std::vector<Remembered>>(kRememberedPlaces);
  Remembered& place = (*remembered)[remembered_place(key, word.size())];
  const std::uint64_t mark = serial_ << 16 | word.size() << 8;
  if (place.key == key && (place.serial_length_count & ~std::uint64_t{255}) == mark) {
    ids.insert(ids.end(), place.ids.begin(),
               place.ids.begin() + static_cast<std::ptrdiff_t>(place.serial_length_count & 255));
    return;
  }
  merge_word(word, symbols);
  for (const Symbol& symbol : symbols) ids.push_back(symbol.id);
  if (symbols.size() > kRememberedIds) return;
  place.key = key;
  place.serial_length_count = mark | symbols.size();
  for (std::size_t i = 0; i < symbols.size(); ++i) place.ids[i] = symbols[i].id;
}

void BpeModel::encode_lengths(std::string_view word, std::vector<std::int32_t>& ids,
                              std::vector<std::uint32_t>& lengths) const {
  const std::int32_t whole = ignore_merges_ ? whole_token(word) : -1;
  if (whole >= 0) {
    ids.push_back(whole);
    lengths.push_back(0);
    for (const char c : word) lengths.back() += character_size(c);
    return;
  }
  std::vector<Symbol> symbols;
  merge_word(word, symbols);
  for (const Symbol& symbol : symbols) {
    ids.push_back(symbol.id);
    lengths.push_back(symbol.length);
  }
}

bool BpeModel::start_symbols(std::string_view word, std::vector<Symbol>& symbols) const {
  symbols.clear();
  bool known = true;
  Symbol unknown;  // waits for its end: neighbours may join it
  for (const char c : word) {
    const std::int32_t id = byte_ids_[static_cast<unsigned char>(c)];
    if (id < 0) {
      known = false;
      if (unknown_id_ < 0) continue;
      if (unknown.length > 0 && !fuse_unknown_) symbols.push_back(unknown);
      unknown = {unknown_id_, (fuse_unknown_ ? unknown.length : 0) + character_size(c)};
      continue;
    }
    if (unknown.length > 0) symbols.push_back(unknown);
    unknown = {};
    symbols.push_back({id, character_size(c)});
  }
  if (unknown.length > 0) symbols.push_back(unknown);
  return known;
}

void BpeModel::merge_word(std::string_view word, std::vector<Symbol>& symbols) const {
  const bool known = start_symbols(word, symbols);
  if (known && symbols.size() <= kScanSymbols) {
    merge_by_scan(symbols);
  } else {
    merge_by_heap(symbols);
  }
}

void BpeModel::merge_by_scan(std::vector<Symbol>& symbols) const {
  std::array<const Merge*, kScanSymbols> merges;  // of symbol i with the next one
  std::size_t count = symbols.size();
  for (std::size_t i = 0; i + 1 < count; ++i) merges[i] = find_merge(symbols[i].id, symbols[i + 1].id);
  while (count > 1) {
    std::size_t best = count;
    std::uint32_t rank = kNoRank;
    for (std::size_t i = 0; i + 1 < count; ++i) {
      if (merges[i] != nullptr && merges[i]->rank < rank) {
        rank = merges[i]->rank;
        best = i;
      }
    }
    if (best == count) break;
    symbols[best].id = merges[best]->merged;
    symbols[best].length += symbols[best + 1].length;
    --count;
    for (std::size_t i = best + 1; i < count; ++i) {
      symbols[i] = symbols[i + 1];
      merges[i] = merges[i + 1];
    }
    if (best > 0) merges[best - 1] = find_merge(symbols[best - 1].id, symbols[best].id);
    if (best + 1 < count) merges[best] = find_merge(symbols[best].id, symbols[best + 1].id);
  }
  symbols.resize(count);
}

void BpeModel::merge_by_heap(std::vector<Symbol>& symbols) const {
  // A pair waits as rank * 2^32 + place, so that the smallest number is the next merge.
  std::vector<std::uint64_t> waiting;
  waiting.reserve(symbols.size());
  const auto pair_at = [&](std::size_t at) {
    const Symbol& symbol = symbols[at];
    const Merge* merge = find_merge(symbol.id, symbols[static_cast<std::size_t>(symbol.after)].id);
    return merge == nullptr ? kEmpty : std::uint64_t{merge->rank} << 32 | at;
  };
  const auto count = static_cast<std::int32_t>(symbols.size());
  for (std::int32_t i = 0; i < count; ++i) {
    symbols[static_cast<std::size_t>(i)].before = i - 1;
    symbols[static_cast<std::size_t>(i)].after = i + 1 < count ? i + 1 : -1;
  }
  for (std::size_t i = 0; i + 1 < symbols.size(); ++i) {
    if (const std::uint64_t pair = pair_at(i); pair != kEmpty) waiting.push_back(pair);
  }
  std::priority_queue heap(std::greater<>(), std::move(waiting));
  const auto push = [&](std::int32_t at) {
    if (const std::uint64_t pair = pair_at(static_cast<std::size_t>(at)); pair != kEmpty) heap.push(pair);
  };
  while (!heap.empty()) {
    const std::uint64_t top = heap.top();
    heap.pop();
    const auto at = static_cast<std::size_t>(top & 0xffffffffU);
    const std::int32_t merged = merged_[top >> 32];
    Symbol& left = symbols[at];
    if (left.length == 0 || left.after < 0) continue;
    Symbol& right = symbols[static_cast<std::size_t>(left.after)];
    // Still the pair that was pushed? The reference compares what it becomes.
    const Merge* merge = find_merge(left.id, right.id);
    if (merge == nullptr || merge->merged != merged) continue;
    left.id = merged;
    left.length += right.length;
    left.after = right.after;
    right.length = 0;
    if (left.after >= 0) {
      symbols[static_cast<std::size_t>(left.after)].before = static_cast<std::int32_t>(at);
      push(static_cast<std::int32_t>(at));
    }
    if (left.before >= 0) push(left.before);
  }
  std::erase_if(symbols, [](const Symbol& symbol) { return symbol.length == 0; });
}

}  // namespace smidgen
