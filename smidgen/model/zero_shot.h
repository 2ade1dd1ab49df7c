// Classification from label names alone: a text gets the label whose prompt ("This text is about refunds.") it is most
// similar to, by the cosine of the encoder's vectors. Nothing is trained, so nothing is claimed: the confidences order
// the answers but are not calibrated.
#pragma once

#include <string>
#include <vector>

#include "smidgen/base/result.h"
#include "smidgen/model/bundle.h"
#include "smidgen/tensor/kernel_table.h"

namespace smidgen {

// Of the prompts; better than the bare names on the training rows of two of three sets we looked at (ag_news, tweeteval
// emotion; not banking77).
inline constexpr const char* kLabelTemplate = "This text is about {}.";

struct ZeroShotOptions {
  std::vector<std::string> labels;              // 2..10,000, different, not empty; underscores read as spaces
  std::string label_template = kLabelTemplate;  // {} stands for the label, exactly once
  std::size_t tokens_max = 0;                   // 0: the folder's value
  const Kernels* kernels = nullptr;             // null: kernels()
  Precision precision = Precision::kF32;
};

// An opened bundle of one encoder rung whose head holds the labels' vectors: logits are cosines times 20, the scale
// that sentence encoders of the MiniLM kind were trained with. It answers every row and has no certificate.
Result<Bundle> zero_shot_bundle(const std::string& encoder_folder, const ZeroShotOptions& options);

}  // namespace smidgen
