#include "smidgen/learn/train_tags.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <memory>
#include <utility>

#include "smidgen/base/clock.h"
#include "smidgen/base/sha256.h"
#include "smidgen/base/work_folder.h"
#include "smidgen/learn/fine_tune_tokens.h"
#include "smidgen/learn/headed_folder.h"
#include "smidgen/learn/tag_pieces.h"
#include "smidgen/learn/train_questions.h"
#include "smidgen/model/encoder_heads.h"

namespace smidgen {

namespace {

constexpr std::size_t kWindowDefault = 256;
constexpr double kRowsSeen = 30000;  // epochs times rows that are enough where there are few
constexpr double kEpochsMin = 3, kEpochsMax = 20;

struct Parts {
  std::vector<std::uint32_t> fit, held;  // rows
};

Parts cut(const TaggedRows& data, double share) {
  std::vector<std::string> texts;
  std::map<std::string, std::uint32_t> numbers;
  std::vector<std::uint32_t> text_of;
  for (const TaggedRow& row : data.rows) {
    std::string text;
    for (const std::string& word : row.words) text += word + "\n";
    const auto [at, is_new] = numbers.emplace(text, static_cast<std::uint32_t>(texts.size()));
    if (is_new) texts.push_back(text);
    text_of.push_back(at->second);
  }
  const std::vector<std::uint32_t> out = held_out_passages(texts, share);
  Parts parts;
  for (std::uint32_t row = 0; row < data.rows.size(); ++row)
    (std::binary_search(out.begin(), out.end(), text_of[row]) ? parts.held : parts.fit).push_back(row);
  return parts;
}

std::size_t tag_epochs(std::size_t rows) {
  const double wanted = std::round(kRowsSeen / static_cast<double>(std::max<std::size_t>(1, rows)));
  return static_cast<std::size_t>(std::clamp(wanted, kEpochsMin, kEpochsMax));
}

std::size_t window_of(const TagTrainingOptions& options, std::size_t positions) {
  return options.window == 0 ? std::min(kWindowDefault, positions) : options.window;
}

TagRows pieces_of(const TaggedRows& data, const std::vector<std::uint32_t>& which, const Tokenizer& tokenizer,
                  std::size_t window, ThreadPool& pool) {
  std::vector<std::vector<TagPiece>> cut(which.size());
  pool.parallel_for(which.size(), [&](std::size_t i, std::size_t) {
    cut[i] = cut_words(tokenizer, data.rows[which[i]].words, window);
  });
  TagRows rows;
  for (std::size_t i = 0; i < which.size(); ++i)
    for (TagPiece& piece : cut[i]) {
      std::vector<std::uint32_t> tags(piece.ids.size(), kNoTag);
      for (std::size_t word = 0; word < piece.words.size(); ++word)
        tags[piece.tokens[word]] = data.rows[which[i]].tags[piece.words[word]];
      rows.ids.push_back(std::move(piece.ids));
      rows.tags.push_back(std::move(tags));
    }
  return rows;
}

// One row's tags as the written model gives them; a word that no piece holds gets the first tag of `names`.
std::vector<std::string> tags_of(const HeadedEncoder& model, const Tokenizer& tokenizer, const TaggedRow& row,
                                 std::size_t window, HeadedEncoder::Scratch& scratch) {
  const std::vector<std::string>& names = model.head_config().labels;
  std::vector<std::string> tags(row.words.size(), names.front());
  for (const TagPiece& piece : cut_words(tokenizer, row.words, window)) {
    const std::size_t length = piece.ids.size();
    const std::vector<std::uint8_t> types(model.body_config().types > 1 ? length : 0);
    model.forward({piece.ids, types, {&length, 1}}, scratch);
    for (std::size_t i = 0; i < piece.words.size(); ++i) {
      const float* logits = scratch.logits().f32() + piece.tokens[i] * scratch.logits().width();
      tags[piece.words[i]] = names[static_cast<std::size_t>(std::max_element(logits, logits + names.size()) - logits)];
    }
  }
  return tags;
}

Status judge(const TaggedRows& data, const std::vector<std::uint32_t>& which, const TagTrainingOptions& options,
             ThreadPool& pool, const Watcher& watcher, TagTrainingSummary& summary) {
  if (which.empty()) return Ok{};
  watcher.report("judging", 0);
  SMIDGEN_ASSIGN(const HeadedEncoder model, HeadedEncoder::load(options.out));
  SMIDGEN_ASSIGN(const std::unique_ptr<Tokenizer> tokenizer, Tokenizer::load(options.out));
  std::vector<HeadedEncoder::Scratch> scratch(pool.threads());
  std::vector<std::vector<std::string>> said(which.size());
  pool.parallel_for(which.size(), [&](std::size_t i, std::size_t worker) {
    said[i] = tags_of(model, *tokenizer, data.rows[which[i]], window_of(options, model.body_config().positions),
                      scratch[worker]);
  });
  for (std::size_t i = 0; i < which.size(); ++i) {
    std::vector<std::string> known;
    for (const std::uint32_t tag : data.rows[which[i]].tags) known.push_back(data.tag_names[tag]);
    summary.held.add(said[i], known);
  }
  summary.held_rows = which.size();
  return Ok{};
}

Status fit_and_write(const TaggedRows& data, const std::vector<std::uint32_t>& fit, const TagTrainingOptions& options,
                     ThreadPool& pool, const Watcher& watcher, TagTrainingSummary& summary) {
  const Precision precision = TrainableEncoder::fast_precision(kernels());
  SMIDGEN_ASSIGN(TrainableEncoder encoder, TrainableEncoder::load(options.encoder, precision, kernels(), pool));
  const EncoderConfig& config = encoder.config();
  SMIDGEN_ASSIGN(const std::unique_ptr<Tokenizer> tokenizer, Tokenizer::load(config.body_folder));
  if (tokenizer->vocabulary_size() > config.body.vocabulary)
    return Error::bad_data("its tokenizer is another model's")
        .in(options.encoder)
        .hint("take tokenizer and weights from the same model");
  const std::size_t window = window_of(options, config.body.positions);
  if (window > config.body.positions)
    return Error::usage(fmt::format("a window of {} tokens; this model reads {}", window, config.body.positions));
  const TagRows rows = pieces_of(data, fit, *tokenizer, window, pool);
  FineTuneOptions recipe = tag_recipe();
  recipe.epochs = options.epochs == 0 ? tag_epochs(rows.ids.size()) : options.epochs;
  recipe.seconds_max = options.seconds_max;
  recipe.seed = options.seed;
  recipe.checkpoint = training_checkpoint(options.state_folder, "tags", options.out, summary.notes);
  SMIDGEN_ASSIGN(const std::string weights, sha256_file(config.body_folder + "/model.safetensors"));
  recipe.checkpoint_key = fmt::format("tags {} {} {}", precision_name(precision), weights, data.tag_names.size());
  SoftmaxHead head = random_head(data.tag_names.size(), encoder.dimensions(), options.seed);
  SMIDGEN_ASSIGN(const FineTuneReport report, fine_tune(encoder, head, rows, recipe, watcher));
  SMIDGEN_TRY(write_headed_folder(options.out, options.force, encoder, HeadKind::kTokens, head, data.tag_names));
  std::error_code ignored;
  if (!recipe.checkpoint.empty()) std::filesystem::remove(recipe.checkpoint, ignored);
  summary.pieces = rows.ids.size();
  summary.epochs = report.epochs.size();
  if (summary.epochs < recipe.epochs)
    summary.notes.push_back(fmt::format("The time was enough for {} of {} epochs.", summary.epochs, recipe.epochs));
  summary.loss = report.epochs.empty() ? 0 : report.epochs.back().loss;
  summary.resumed = report.resumed_steps > 0;
  if (!report.note.empty()) summary.notes.push_back(report.note);
  return Ok{};
}

}  // namespace

FineTuneOptions tag_recipe() {
  FineTuneOptions recipe;
  recipe.batch_rows = 32;
  recipe.rate = 1e-4;
  recipe.head_rate = 1e-3;
  return recipe;
}

Result<TagTrainingSummary> train_tags(const TaggedRows& data, const TagTrainingOptions& options, ThreadPool& pool,
                                      const Watcher& watcher) {
  const auto start = steady_now();
  SMIDGEN_TRY(check_headed_target(options.out, options.force));
  SMIDGEN_ASSIGN(const WorkFolder claim, WorkFolder::create(options.out));
  if (data.tag_names.size() < 2) return Error::bad_data("there is only one tag; nothing is to be learnt");
  const Parts parts = cut(data, options.held_out);
  TagTrainingSummary summary;
  summary.folder = options.out;
  summary.rows = parts.fit.size();
  summary.tags = data.tag_names.size();
  for (const std::uint32_t row : parts.fit) summary.words += data.rows[row].words.size();
  SMIDGEN_TRY(fit_and_write(data, parts.fit, options, pool, watcher, summary));
  SMIDGEN_TRY(judge(data, parts.held, options, pool, watcher, summary));
  summary.seconds = seconds_since(start);
  return summary;
}

}  // namespace smidgen
