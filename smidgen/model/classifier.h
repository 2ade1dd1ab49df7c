// Classifier: the public face of a bundle. Open once, share between threads, ask with one Session per thread.
//
//   SMIDGEN_ASSIGN(Classifier classifier, Classifier::open("tickets.smidgen"));
//   auto session = classifier.session();
//   for (const Answer& answer : session.classify(texts)) use(answer.label, answer.confidence);
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "smidgen/model/bundle.h"

namespace smidgen {

struct Answer {
  Decision decision;
  std::string_view label;                // points into the classifier
  std::string_view rung;                 // the last one reached
  std::span<const float> probabilities;  // one per label; valid until the session's next call
};

class Classifier {
 public:
  // `precision`: of an encoder, instead of the bundle's own; bundle().other_precision then says that nothing certified
  // holds.
  static Result<Classifier> open(const std::string& folder, std::optional<Precision> precision = std::nullopt);
  // A bundle that is already in memory.
  static Classifier of(Bundle bundle) { return Classifier(std::move(bundle)); }

  class Session {
   public:
    void use(Crew* crew);  // idle cores that may take part in what takes long; null: none
    // One answer per text, in order; valid until the next call. A text's answer does not depend on its neighbours.
    std::span<const Answer> classify(std::span<const std::string_view> texts);
    // Log-probabilities of every rung for every text, (texts, rungs, labels), whatever the thresholds: what
    // certification reads.
    void score_all(std::span<const std::string_view> texts, std::vector<float>& scores);
    // Rows longer than some rung's tokens_max, over the life of the session (the largest count of any rung: rungs that
    // cut the same row count it once each).
    std::uint64_t rows_cut() const;

   private:
    friend class Classifier;
    explicit Session(const Bundle& bundle);
    const Bundle* bundle_;
    // The texts as the bundle's speller reads them; without one, as they are. Valid until the next call.
    std::span<const std::string_view> as_read(std::span<const std::string_view> texts);
    void score_stage(std::size_t stage, TextBatch& batch, std::vector<float>& scores);
    std::vector<std::unique_ptr<Rung::Scratch>> scratch_;
    std::vector<Rung::Scratch*> scratch_of_;  // each rung's; exits and their encoder have one for all
    std::vector<Answer> answers_;
    std::vector<std::uint32_t> rows_;  // still climbing
    std::vector<float> scores_, probabilities_, stage_;
    std::vector<std::string_view> read_;
    std::vector<std::string> repaired_;
  };
  Session session() const { return Session(*bundle_); }
  const Bundle& bundle() const { return *bundle_; }

 private:
  explicit Classifier(Bundle bundle) : bundle_(std::make_unique<const Bundle>(std::move(bundle))) {}
  std::unique_ptr<const Bundle> bundle_;
};

}  // namespace smidgen
