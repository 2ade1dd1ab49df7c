// Evaluation: what predictions are worth against known labels. All counts are over the rows handed in; pass one row a
// unit when intervals or tests are to mean anything (docs/certificates.md).
//
//   Evaluation e = evaluate(probabilities, labels, label_count);
//   e.accuracy, e.accuracy_interval, e.macro_f1, e.classes[l].recall, e.calibration.equal_width
//   double p = mcnemar_test(labels, linear_answers, encoder_answers);
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "smidgen/base/statistics.h"

namespace smidgen {

// Confidence against accuracy (Guo et al. 2017). A bin without rows has zeros.
struct CalibrationBin {
  double low = 0, high = 1;             // confidences in (low, high], the first bin closed
  double confidence = 0, accuracy = 0;  // means
  std::uint64_t rows = 0;
};
struct CalibrationError {
  double equal_width = 0;            // expected calibration error: sum over bins of rows/n |accuracy - confidence|
  double equal_mass = 0;             // the same over bins of equal counts (ties broken by row order)
  std::vector<CalibrationBin> bins;  // the equal-width ones: a reliability diagram
};
// confidences (n) of the answers given, correct (n) 0 or 1.
CalibrationError calibration_error(std::span<const float> confidences, std::span<const std::uint8_t> correct,
                                   std::size_t bins = 15);

struct ClassScores {
  std::uint64_t support = 0, answered = 0, hits = 0;  // rows of the label, rows answered with it, both
  double precision = 0, recall = 0, f1 = 0;           // 0 where the denominator is
};

struct Confusion {
  std::uint32_t truth = 0, answer = 0;
  std::uint64_t rows = 0;
};

struct Evaluation {
  std::uint64_t rows = 0, hits = 0;
  double accuracy = 0;
  Interval accuracy_interval;  // Clopper-Pearson, two-sided
  Interval accuracy_wilson;
  double macro_f1 = 0;                 // mean over labels that occur as truth or as answer, as scikit-learn does
  std::vector<ClassScores> classes;    // (labels)
  std::vector<Confusion> confusions;   // most frequent first; ties by truth, then answer
  std::vector<std::uint32_t> answers;  // (n)
  // From probabilities only; zeros without them.
  double log_loss = 0;  // mean row_loss
  CalibrationError calibration;
};

// -ln p, of the probability a row's truth was given; at most -ln 1e-15.
double row_loss(float probability);

struct EvaluationOptions {
  double confidence = 0.95;  // of the intervals
  std::size_t confusions_max = 20;
};

// probabilities (n, labels), labels (n) below label_count.
Evaluation evaluate(std::span<const float> probabilities, std::span<const std::uint32_t> labels,
                    std::size_t label_count, const EvaluationOptions& options = {});
// Without probabilities: answers (n).
Evaluation evaluate_answers(std::span<const std::uint32_t> answers, std::span<const std::uint32_t> labels,
                            std::size_t label_count, const EvaluationOptions& options = {});

// Interval of the share of `correct` rows (n, 0 or 1) where rows of one unit (n) say the same thing again: Clopper and
// Pearson with the number of independent rows that would be as uncertain as these, which Korn and Graubard proposed
// ("Confidence intervals for proportions with small expected number of positive counts estimated from survey data",
// 1998). With one row a unit it is theirs.
Interval clustered_interval(std::span<const std::uint8_t> correct, std::span<const std::uint32_t> units,
                            double confidence);

// Exact McNemar test of two classifiers on the same rows: p-value of "equally accurate".
double mcnemar_test(std::span<const std::uint32_t> labels, std::span<const std::uint32_t> first,
                    std::span<const std::uint32_t> second);

// Answering only the most confident rows: coverage, the error rate among them, and the confidence that draws the line.
struct CoveragePoint {
  double coverage = 0, risk = 0, threshold = 0;
};
// Rising coverage, at most points_max points (at least 2), equal confidences never split. Empty for no rows.
std::vector<CoveragePoint> coverage_risk_curve(std::span<const float> confidences,
                                               std::span<const std::uint8_t> correct, std::size_t points_max = 200);

// The constant answer: the most frequent label of `known` (lowest index among equals), tried on `labels`.
struct MajorityBaseline {
  std::uint32_t label = 0;
  Evaluation evaluation;
};
MajorityBaseline majority_baseline(std::span<const std::uint32_t> known, std::span<const std::uint32_t> labels,
                                   std::size_t label_count);

}  // namespace smidgen
