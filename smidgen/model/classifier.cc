#include "smidgen/model/classifier.h"

#include <algorithm>
#include <numeric>
#include "smidgen/base/out_of_memory.h"

namespace smidgen {

Result<Classifier> Classifier::open(const std::string& folder, std::optional<Precision> precision) try {
  SMIDGEN_ASSIGN(Bundle bundle, Bundle::load(folder, precision));
  return Classifier(std::move(bundle));
} catch (const std::bad_alloc&) {
  return out_of_memory();
}

Classifier::Session::Session(const Bundle& bundle) : bundle_(&bundle) {
  for (std::size_t stage = 0; stage < bundle.rungs.size(); ++stage) {
    if (stage == 0 || !bundle.rungs[stage]->goes_on_from(*bundle.rungs[stage - 1]))
      scratch_.push_back(bundle.rungs[stage]->make_scratch());
    scratch_of_.push_back(scratch_.back().get());
  }
}

void Classifier::Session::use(Crew* crew) {
  for (const auto& scratch : scratch_) scratch->use(crew);
}

// The one place where texts are repaired: what is scored for a certificate is what answers.
std::span<const std::string_view> Classifier::Session::as_read(std::span<const std::string_view> texts) {
  const Speller* speller = bundle_->info.speller.get();
  if (speller == nullptr) return texts;
  read_.assign(texts.begin(), texts.end());
  if (repaired_.size() < texts.size()) repaired_.resize(texts.size());
  for (std::size_t row = 0; row < texts.size(); ++row)
    if (speller->repair(texts[row], repaired_[row])) read_[row] = repaired_[row];
  return read_;
}

// One rung over the rows that are still climbing: scores land in their place of `scores` (texts, rungs, labels).
void Classifier::Session::score_stage(std::size_t stage, TextBatch& batch, std::vector<float>& scores) {
  const std::size_t labels = bundle_->info.labels.size(), rungs = bundle_->rungs.size();
  stage_.resize(rows_.size() * labels);
  bundle_->rungs[stage]->score(batch, rows_, *scratch_of_[stage], stage_);
  for (std::size_t i = 0; i < rows_.size(); ++i)
    std::copy_n(stage_.data() + i * labels, labels, scores.data() + (rows_[i] * rungs + stage) * labels);
}

std::span<const Answer> Classifier::Session::classify(std::span<const std::string_view> texts) {
  const BundleInfo& info = bundle_->info;
  const std::size_t labels = info.labels.size(), rungs = bundle_->rungs.size();
  answers_.assign(texts.size(), Answer{});
  scores_.assign(texts.size() * rungs * labels, 0.0F);
  probabilities_.assign(texts.size() * labels, 0.0F);
  rows_.resize(texts.size());
  std::iota(rows_.begin(), rows_.end(), 0U);
  TextBatch batch(as_read(texts));
  for (std::size_t stage = 0; stage < rungs && !rows_.empty(); ++stage) {
    score_stage(stage, batch, scores_);
    std::erase_if(rows_, [&](std::uint32_t row) {
      const std::span<const float> scores(scores_.data() + row * rungs * labels, (stage + 1) * labels);
      const std::span<float> probabilities(probabilities_.data() + row * labels, labels);
      return info.policy.decide_at(stage, scores, probabilities, answers_[row].decision);
    });
  }
  for (std::size_t row = 0; row < texts.size(); ++row) {
    Answer& answer = answers_[row];
    answer.label = info.labels[answer.decision.label];
    answer.rung = info.rungs[answer.decision.stage].name;
    answer.probabilities = {probabilities_.data() + row * labels, labels};
  }
  return answers_;
}

void Classifier::Session::score_all(std::span<const std::string_view> texts, std::vector<float>& scores) {
  const std::size_t rungs = bundle_->rungs.size();
  scores.assign(texts.size() * rungs * bundle_->info.labels.size(), 0.0F);
  rows_.resize(texts.size());
  std::iota(rows_.begin(), rows_.end(), 0U);
  TextBatch batch(as_read(texts));
  for (std::size_t stage = 0; stage < rungs; ++stage) score_stage(stage, batch, scores);
}

std::uint64_t Classifier::Session::rows_cut() const {
  std::uint64_t cut = 0;
  for (const auto& scratch : scratch_) cut = std::max(cut, scratch->rows_cut);
  return cut;
}

}  // namespace smidgen
