#include "smidgen/text/unigram_model.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstring>
#include <memory>

#include "smidgen/text/unicode_tables.h"

namespace smidgen {

namespace {

constexpr double kUnknownPenalty = 10;
constexpr std::size_t kRememberedIds = 8;
constexpr std::size_t kRememberedPlaces = 16384;  // 1 MiB a thread

ByteTrie token_trie(const UnigramRules& rules) {
  const std::vector<std::string_view> views(rules.tokens.begin(),
                                            rules.tokens.begin() + static_cast<std::ptrdiff_t>(rules.model_end));
  std::vector<std::int32_t> values(views.size());
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<std::int32_t>(i);
  return ByteTrie(views, values);
}

}  // namespace

// One place of a thread's table: 64 bytes.
struct UnigramModel::Remembered {
  std::array<std::uint64_t, kShortBytes / 8> key{};
  std::uint64_t serial_length_count = 0;  // serial * 2^16 + length * 2^8 + count
  std::array<std::int32_t, kRememberedIds> ids{};
};

UnigramModel::UnigramModel(const UnigramRules& rules)
    : trie_(token_trie(rules)), scores_(rules.scores), unknown_id_(rules.unknown_id) {
  static std::atomic<std::uint64_t> serials{0};
  serial_ = ++serials;
  unknown_score_ = *std::min_element(scores_.begin(), scores_.end()) - kUnknownPenalty;
}

void UnigramModel::cut(std::string_view piece, std::vector<Best>& best, std::vector<Token>& reversed) const {
  best.assign(piece.size() + 1, {});
  for (std::size_t start = 0; start < piece.size();) {
    const double before = best[start].score;
    const std::size_t character = unicode::decode_one(piece, start).length;
    bool single = false;
    const auto offer = [&](std::size_t length, std::int32_t id, double score) {
      Best& end = best[start + length];
      if (end.start != kUnreached && score <= end.score) return;
      end = {score, id, static_cast<std::uint32_t>(start)};
    };
    trie_.each_prefix(piece.substr(start), [&](std::size_t length, std::int32_t id) {
      offer(length, id, scores_[static_cast<std::size_t>(id)] + before);
      single = single || length == character;
    });
    if (!single) offer(character, unknown_id_, unknown_score_ + before);
    start += character;
  }
  reversed.clear();
  for (std::size_t end = piece.size(); end > 0; end = best[end].start) {
    const auto length = static_cast<std::uint32_t>(end - best[end].start);
    if (best[end].id == unknown_id_ && !reversed.empty() && reversed.back().id == unknown_id_) {
      reversed.back().length += length;
    } else {
      reversed.push_back({best[end].id, length});
    }
  }
  // Joined, unknown characters may spell a token.
  std::size_t end = piece.size();
  for (Token& token : reversed) {
    const std::string_view text = piece.substr(end - token.length, token.length);
    end -= token.length;
    if (token.id != unknown_id_) continue;
    const ByteTrie::Match match = trie_.longest(ByteTrie::kRoot, text);
    if (match.length == text.size()) token.id = match.value;
  }
}

void UnigramModel::encode(std::string_view piece, std::vector<std::int32_t>& ids) const {
  thread_local std::vector<Best> best;
  thread_local std::vector<Token> reversed;
  thread_local std::unique_ptr<std::vector<Remembered>> remembered;
  Remembered* place = nullptr;
  std::array<std::uint64_t, kShortBytes / 8> key{};
  const std::uint64_t mark = serial_ << 16 | (piece.size() & 255) << 8;
  if (piece.size() <= kShortBytes) {
    if (!remembered) remembered = std::make_unique<std::vector<Remembered>>(kRememberedPlaces);
    std::memcpy(key.data(), piece.data(), piece.size());
    std::uint64_t hash = (key[0] ^ std::rotl(key[1], 29) * 0x9e3779b97f4a7c15ULL) * 0xbf58476d1ce4e5b9ULL;
    hash = (hash ^ hash >> 32 ^ std::rotl(key[2], 17)) * 0x94d049bb133111ebULL;
    place = &(*remembered)[(hash >> 40) % kRememberedPlaces];
    if (place->key == key && (place->serial_length_count & ~std::uint64_t{255}) == mark) {
      ids.insert(ids.end(), place->ids.begin(),
                 place->ids.begin() + static_cast<std::ptrdiff_t>(place->serial_length_count & 255));
      return;
    }
  }
  cut(piece, best, reversed);
  for (auto token = reversed.rbegin(); token != reversed.rend(); ++token) ids.push_back(token->id);
  if (place == nullptr || reversed.size() > kRememberedIds) return;
  place->key = key;
  place->serial_length_count = mark | reversed.size();
  for (std::size_t i = 0; i < reversed.size(); ++i) place->ids[i] = reversed[reversed.size() - 1 - i].id;
}

void UnigramModel::encode_lengths(std::string_view piece, std::vector<std::int32_t>& ids,
                                  std::vector<std::uint32_t>& lengths) const {
  std::vector<Best> best;
  std::vector<Token> reversed;
  cut(piece, best, reversed);
  for (auto token = reversed.rbegin(); token != reversed.rend(); ++token) {
    ids.push_back(token->id);
    lengths.push_back(token->length);
  }
}

}  // namespace smidgen
