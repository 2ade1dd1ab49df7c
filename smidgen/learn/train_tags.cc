#include "smidgen/learn/train_tags.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>

#include "smidgen/base/clock.h"
#include "smidgen/base/work_folder.h"
#include "smidgen/learn/fine_tune_tokens.h"
#include "smidgen/learn/headed_folder.h"
#include "smidgen/model/encoder_heads.h"
#include "smidgen/model/special_tokens.h"
#include "smidgen/model/tag_pieces.h"
#include "smidgen/text/dataset.h"

namespace smidgen {

namespace {

constexpr double kRowsSeen = 30000;  // epochs times rows that are enough where there are few
constexpr double kEpochsMin = 3, kEpochsMax = 20;

struct Parts {
  std::vector<std::uint32_t> fit, held;  // rows
};

Parts cut(const TaggedRows& data, double share) {
  std::vector<std::string> keys;
  std::string text;
  for (const TaggedRow& row : data.rows) {
    text.clear();
    for (const std::string& word : row.words) text += word + " ";
    keys.push_back(unit_key(text));
  }
  const std::vector<bool> out = held_out_keys(keys, share);
  Parts parts;
  for (std::uint32_t row = 0; row < data.rows.size(); ++row) (out[row] ? parts.held : parts.fit).push_back(row);
  return parts;
}

// The tags that rows have, and what number each of TaggedRows::tag_names has among them.
struct UsedTags {
  std::vector<std::string> names;  // sorted
  std::vector<std::uint32_t> numbers;
};

UsedTags used_tags(const TaggedRows& data, const std::vector<std::uint32_t>& rows) {
  UsedTags used;
  std::vector<bool> seen(data.tag_names.size());
  for (const std::uint32_t row : rows)
    for (const std::uint32_t tag : data.rows[row].tags) seen[tag] = true;
  for (std::size_t tag = 0; tag < seen.size(); ++tag) {
    used.numbers.push_back(static_cast<std::uint32_t>(used.names.size()));
    if (seen[tag]) used.names.push_back(data.tag_names[tag]);
  }
  return used;
}

std::size_t tag_epochs(std::size_t rows) {
  const double wanted = std::round(kRowsSeen / static_cast<double>(std::max<std::size_t>(1, rows)));
  return static_cast<std::size_t>(std::clamp(wanted, kEpochsMin, kEpochsMax));
}

std::size_t window_of(const TagTrainingOptions& options, std::size_t positions) {
  return options.window == 0 ? tag_window(positions) : options.window;
}

Result<TagRows> pieces_of(const TaggedRows& data, const std::vector<std::uint32_t>& which,
                          const std::vector<std::uint32_t>& numbers, const Tokenizer& tokenizer, std::size_t window,
                          ThreadPool& pool, const Watcher& watcher) {
  std::vector<std::vector<TagPiece>> cut(which.size());
  SMIDGEN_TRY(watched_for(pool, which.size(), "reading rows", watcher, [&](std::size_t i, std::size_t) {
    cut[i] = cut_words(tokenizer, data.rows[which[i]].words, window);
  }));
  TagRows rows;
  for (std::size_t i = 0; i < which.size(); ++i)
    for (TagPiece& piece : cut[i]) {
      std::vector<std::uint32_t> tags(piece.ids.size(), kNoTag);
      for (std::size_t word = 0; word < piece.words.size(); ++word)
        tags[piece.tokens[word]] = numbers[data.rows[which[i]].tags[piece.words[word]]];
      rows.ids.push_back(std::move(piece.ids));
      rows.tags.push_back(std::move(tags));
    }
  if (rows.ids.empty())
    return Error::bad_data("no word has a token: nothing is to be learnt")
        .hint("the words are white space or invisible characters to this encoder's tokenizer");
  return rows;
}

// One row's tags as the written model gives them; a word that no piece holds is outside of all ("O"), or has no tag
// (kUntagged) where the model does not know "O".
std::vector<std::string> tags_of(const HeadedEncoder& model, const Tokenizer& tokenizer, const TaggedRow& row,
                                 std::size_t window, HeadedEncoder::Scratch& scratch) {
  const std::vector<std::string>& names = model.head_config().labels;
  const bool outside = std::find(names.begin(), names.end(), "O") != names.end();
  std::vector<std::string> tags(row.words.size(), outside ? "O" : kUntagged);
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

// As `run` reads them, whatever the rows trained on were cut to.
Status judge(const TaggedRows& data, const std::vector<std::uint32_t>& which, const std::string& folder,
             ThreadPool& pool, const Watcher& watcher, TagTrainingSummary& summary) {
  if (which.empty()) return Ok{};
  SMIDGEN_ASSIGN(const HeadedEncoder model, HeadedEncoder::load(folder));
  SMIDGEN_ASSIGN(const std::unique_ptr<Tokenizer> tokenizer, Tokenizer::load(folder));
  std::vector<HeadedEncoder::Scratch> scratch(pool.threads());
  std::vector<std::vector<std::string>> said(which.size());
  SMIDGEN_TRY(watched_for(pool, which.size(), "judging", watcher, [&](std::size_t i, std::size_t worker) {
    said[i] =
        tags_of(model, *tokenizer, data.rows[which[i]], tag_window(model.body_config().positions), scratch[worker]);
  }));
  for (std::size_t i = 0; i < which.size(); ++i) {
    std::vector<std::string> known;
    for (const std::uint32_t tag : data.rows[which[i]].tags) known.push_back(data.tag_names[tag]);
    summary.held.add(said[i], known);
  }
  summary.held_rows = which.size();
  return Ok{};
}

Result<TrainedFolder> fit(const TaggedRows& data, const std::vector<std::uint32_t>& which,
                          const TagTrainingOptions& options, const WorkFolder& work, ThreadPool& pool,
                          const Watcher& watcher, TagTrainingSummary& summary) {
  UsedTags tags = used_tags(data, which);
  if (tags.names.size() < 2) return Error::bad_data("there is only one tag; nothing is to be learnt");
  summary.tags = tags.names.size();
  SMIDGEN_ASSIGN(TrainingModel model, TrainingModel::load(options.encoder, false, pool));
  const std::size_t positions = model.encoder.config().body.positions, window = window_of(options, positions);
  if (window > positions)
    return Error::usage(fmt::format("a window of {} tokens; this model reads {}", window, positions));
  if (const std::size_t specials = special_count(*model.tokenizer); window <= specials)
    return Error::usage(
        fmt::format("a window of {} tokens; {} special tokens leave no room for a word", window, specials));
  SMIDGEN_ASSIGN(const TagRows rows, pieces_of(data, which, tags.numbers, *model.tokenizer, window, pool, watcher));
  HeadedTask task{"tags", HeadKind::kTokens, std::move(tags.names), tag_recipe(), {}};
  task.recipe.epochs = tag_epochs(rows.ids.size());
  task.fit = [&](TrainableEncoder& encoder, SoftmaxHead& head, const FineTuneOptions& recipe) {
    return fine_tune(encoder, head, rows, recipe, watcher);
  };
  return fit_and_stage(task, model, options, work, summary);
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
  SMIDGEN_ASSIGN(const WorkFolder work, WorkFolder::create(options.out));
  const Parts parts = cut(data, options.held_out);
  TagTrainingSummary summary;
  summary.rows = parts.fit.size();
  for (const std::uint32_t row : parts.fit) summary.words += data.rows[row].words.size();
  SMIDGEN_ASSIGN(TrainedFolder trained, fit(data, parts.fit, options, work, pool, watcher, summary));
  SMIDGEN_TRY(judge(data, parts.held, trained.staged.path(), pool, watcher, summary));
  SMIDGEN_TRY(commit(trained, options));
  summary.seconds = seconds_since(start);
  return summary;
}

}  // namespace smidgen
