#include "smidgen/model/tagger.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "smidgen/base/out_of_memory.h"
#include "smidgen/model/special_tokens.h"
#include "smidgen/model/tag_entities.h"
#include "smidgen/text/unicode_tables.h"

namespace smidgen {

namespace {

TextSpan without_white_space(std::string_view text, TextSpan span) {
  while (span.begin < span.end) {
    const unicode::Decoded next = unicode::decode_one(text, span.begin);
    if (!unicode::is_space(next.c)) break;
    span.begin += static_cast<std::uint32_t>(next.length);
  }
  while (span.begin < span.end) {
    const std::size_t last = unicode::previous_start(text, span.end);
    if (!unicode::is_space(unicode::decode_one(text, last).c)) break;
    span.end = static_cast<std::uint32_t>(last);
  }
  return {span.begin, std::max(span.begin, span.end)};
}

// Counts the code points before a byte, going on from where it was last asked.
class CharacterCount {
 public:
  explicit CharacterCount(std::string_view text) : text_(text) {}
  std::size_t before(std::size_t byte) {
    if (byte < at_) at_ = count_ = 0;
    for (; at_ < byte; ++at_) count_ += (static_cast<unsigned char>(text_[at_]) & 0xc0) != 0x80 ? 1 : 0;
    return count_;
  }

 private:
  std::string_view text_;
  std::size_t at_ = 0, count_ = 0;
};

// The likeliest of a token's tags and its probability (softmax).
struct BestTag {
  std::uint32_t tag = 0;
  float probability = 0;
};

BestTag best_tag(std::span<const float> logits) {
  const auto best = std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float logit : logits) sum += std::exp(double{logit} - double{*best});
  return {static_cast<std::uint32_t>(best - logits.begin()), static_cast<float>(1 / sum)};
}

bool has_prefix(const std::string& label) {
  return label.size() > 2 && label[1] == '-' && std::string_view("BIELSU").find(label[0]) != std::string_view::npos;
}

}  // namespace

// A text on its way: valid UTF-8, where its words stand, and what they are once their piece was read.
struct Tagger::Row {
  std::string repaired;
  std::string_view text;
  std::vector<TextSpan> words;  // empty ones: tokens of white space, which are no words
  std::vector<BestTag> tags;
  bool cut = false;
};

// Pieces of several rows, read together.
class Tagger::Pass {
 public:
  Pass(const Tagger& tagger, std::span<Row> rows, Scratch& scratch) : tagger_(tagger), rows_(rows), scratch_(scratch) {}

  void add(std::size_t row, TagPiece piece) {
    if (!ids_.empty() && ids_.size() + piece.ids.size() > tagger_.encoder_.kernels().encoder->tokens_per_pass) run();
    for (std::size_t i = 0; i < piece.words.size(); ++i)
      places_.push_back({row, piece.words[i], ids_.size() + piece.tokens[i]});
    rows_[row].cut = rows_[row].cut || piece.cut;
    ids_.insert(ids_.end(), piece.ids.begin(), piece.ids.end());
    lengths_.push_back(piece.ids.size());
  }
  void run() {
    if (ids_.empty()) return;
    tagger_.encoder_.forward({ids_, {}, lengths_}, scratch_.encoder_);
    const Activations& logits = scratch_.encoder_.logits();
    for (const Place& place : places_)
      rows_[place.row].tags[place.word] =
          best_tag({logits.f32() + place.token * logits.width(), tagger_.labels().size()});
    ids_.clear();
    lengths_.clear();
    places_.clear();
  }

 private:
  struct Place {
    std::size_t row, word, token;
  };
  const Tagger& tagger_;
  std::span<Row> rows_;
  Scratch& scratch_;
  std::vector<std::int32_t> ids_;
  std::vector<std::size_t> lengths_;
  std::vector<Place> places_;
};

Tagger::Tagger(HeadedEncoder encoder, std::unique_ptr<const Tokenizer> tokenizer)
    : encoder_(std::move(encoder)), tokenizer_(std::move(tokenizer)), words_(*tokenizer_) {
  each_word_ = std::none_of(labels().begin(), labels().end(),
                            [](const std::string& label) { return label == "O" || has_prefix(label); });
}

Result<Tagger> Tagger::load(const std::string& folder, const Kernels* kernels) try {
  SMIDGEN_ASSIGN(HeadedEncoder encoder, HeadedEncoder::load(folder, kernels));
  if (encoder.head_config().kind != HeadKind::kTokens)
    return Error::bad_data("this model has a head for " + std::string(to_string(encoder.head_config().kind)) +
                           ", not for token classification")
        .in(folder)
        .hint("give the folder of a model ..ForTokenClassification");
  SMIDGEN_ASSIGN(std::unique_ptr<Tokenizer> tokenizer, load_tokenizer(folder, encoder.body_config()));
  Tagger tagger(std::move(encoder), std::move(tokenizer));
  if (const std::size_t specials = special_count(*tagger.tokenizer_); tagger.window() <= specials)
    return Error::bad_data("this model reads " + std::to_string(tagger.window()) + " tokens; its tokenizer's " +
                           std::to_string(specials) + " special tokens leave no room for a word")
        .in(folder)
        .hint("take tokenizer and weights from the same model");
  return tagger;
} catch (const std::bad_alloc&) {
  return out_of_memory();
}

std::size_t Tagger::window() const {
  return tag_window(encoder_.body_config().positions);
}

void Tagger::read(std::string_view text, Row& row, const std::function<void(TagPiece)>& take) const {
  if (!unicode::is_utf8(text)) {
    row.repaired = unicode::repair_utf8(text);
    text = row.repaired;
  }
  row.text = text;
  std::vector<std::int32_t> ids;
  std::vector<TextSpan> spans;
  tokenizer_->encode_spans(text, ids, spans);
  const std::vector<bool> continues = words_.continues(text, ids, spans);
  std::vector<std::uint32_t> word_of;
  word_of.reserve(ids.size());
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (!continues[i]) row.words.push_back(spans[i]);
    row.words.back().end = std::max(row.words.back().end, spans[i].end);
    word_of.push_back(static_cast<std::uint32_t>(row.words.size() - 1));
  }
  for (TextSpan& word : row.words) word = without_white_space(text, word);
  row.tags.resize(row.words.size());
  cut_pieces(*tokenizer_, ids, word_of, window(), take);
}

std::vector<TaggedEntity> Tagger::entities(const Row& row) const {
  std::vector<std::size_t> words;  // that are some
  std::vector<std::string> tags;
  for (std::size_t i = 0; i < row.words.size(); ++i) {
    if (row.words[i].begin == row.words[i].end) continue;
    words.push_back(i);
    tags.push_back(labels()[row.tags[i].tag]);
  }
  std::vector<Entity> found;
  if (each_word_)
    for (std::size_t i = 0; i < tags.size(); ++i) found.push_back({i, i, tags[i]});
  else
    found = entities_of(tags);
  std::vector<TaggedEntity> out;
  CharacterCount characters(row.text);
  for (Entity& entity : found) {
    const std::size_t begin = row.words[words[entity.first]].begin;
    const std::size_t end = std::max<std::size_t>(begin, row.words[words[entity.last]].end);
    double sum = 0;
    for (std::size_t i = entity.first; i <= entity.last; ++i) sum += double{row.tags[words[i]].probability};
    const std::size_t first = characters.before(begin), last = characters.before(end);
    out.push_back({std::move(entity.type), std::string(row.text.substr(begin, end - begin)), first, last,
                   static_cast<float>(sum / static_cast<double>(entity.last - entity.first + 1))});
  }
  return out;
}

void Tagger::tag(std::span<const std::string_view> texts, Scratch& scratch, std::vector<TaggedText>& out) const {
  std::vector<Row> rows(texts.size());
  Pass pass(*this, rows, scratch);
  for (std::size_t i = 0; i < texts.size(); ++i)
    read(texts[i], rows[i], [&](TagPiece piece) { pass.add(i, std::move(piece)); });
  pass.run();
  out.clear();
  for (const Row& row : rows) out.push_back({entities(row), row.cut});
}

}  // namespace smidgen
