#include "smidgen/learn/training_rows.h"

#include <algorithm>
#include <vector>

namespace smidgen {

namespace {

// The teacher's probabilities, unless a person gave the row another label than the likeliest of them: then that label.
std::vector<SoftLabel> soft_of(const Dataset& data, std::uint32_t row, bool of_people) {
  const std::span<const SoftLabel> said = data.soft.of(row);
  const auto likeliest = std::max_element(said.begin(), said.end(),
                                          [](const SoftLabel& a, const SoftLabel& b) { return a.share < b.share; });
  if (of_people && likeliest != said.end() && likeliest->label != data.labels[row]) return {{data.labels[row], 1.0F}};
  return {said.begin(), said.end()};
}

}  // namespace

Result<TrainingRows> cut_training_rows(const Dataset& data, const Split& split, std::uint64_t seed) {
  TrainingRows rows;
  rows.label_count = data.label_names.size();
  rows.label_names = data.label_names;
  rows.folds = kFolds;
  rows.dataset_rows.resize(split.fit.size() + split.tune.size());
  std::merge(split.fit.begin(), split.fit.end(), split.tune.begin(), split.tune.end(), rows.dataset_rows.begin());
  std::vector<bool> is_tune(data.size());
  for (const std::uint32_t row : split.tune) is_tune[row] = true;
  const LabelSources sources = label_sources(data);
  if (sources.model_rows > 0) rows.models = sources.models;
  for (const std::uint32_t row : rows.dataset_rows) {
    const bool of_people = data.sources.empty() || data.source_names[data.sources[row]] == kHumanSource;
    if (data.soft.rows() > 0) rows.targets.soft.add_row(soft_of(data, row, of_people));
    if (sources.model_rows > 0) rows.from_model.push_back(of_people ? 0 : 1);
    (is_tune[row] ? rows.tune : rows.fit).push_back(static_cast<std::uint32_t>(rows.texts.size()));
    rows.texts.push_back(data.texts[row]);
    rows.labels.push_back(data.labels[row]);
    rows.units.push_back(data.units[row]);
    rows.lines.push_back(data.lines[row]);
  }
  const auto folds = assign_folds(data, rows.dataset_rows, kFolds, seed);
  rows.fold_of.assign(folds.begin(), folds.end());
  return rows;
}

std::vector<std::uint32_t> rows_to_fit(const TrainingRows& rows, std::span<const std::uint32_t> of) {
  std::vector<std::uint32_t> some;
  for (const std::uint32_t row : of)
    if (rows.targets.weights.empty() || rows.targets.weights[row] > 0) some.push_back(row);
  return some;
}

TokenRows token_rows(const TrainingRows& rows, std::span<const std::vector<std::int32_t>> ids,
                     std::span<const std::uint32_t> of) {
  TokenRows out;
  for (const std::uint32_t row : of) {
    if (rows.targets.soft.rows() > 0) out.targets.soft.add_row(rows.targets.soft.of(row));
    if (!rows.targets.weights.empty()) out.targets.weights.push_back(rows.targets.weights[row]);
    out.ids.push_back(ids[row]);
    out.labels.push_back(rows.labels[row]);
  }
  return out;
}

double tokens_of(std::string_view text) {
  constexpr std::size_t kLettersPerPiece = 6;
  std::size_t tokens = 0, run = 0;
  const auto end_run = [&] {
    tokens += (run + kLettersPerPiece - 1) / kLettersPerPiece;
    run = 0;
  };
  for (const char letter : text) {
    const auto byte = static_cast<unsigned char>(letter);
    const bool inside =
        byte >= 0x80 || (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
    if (inside) {
      ++run;
      continue;
    }
    end_run();
    if (byte > ' ') ++tokens;
  }
  end_run();
  return static_cast<double>(tokens);
}

}  // namespace smidgen
