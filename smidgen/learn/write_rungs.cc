#include "smidgen/learn/write_rungs.h"

#include <utility>

namespace smidgen {

namespace {

// The own rung's scores, uncalibrated.
Stage pass(std::size_t stage, double threshold) {
  Stage result;
  result.weights.assign(stage + 1, 0);
  result.weights.back() = 1;
  result.threshold = threshold;
  return result;
}

}  // namespace

Policy answer_at_the_end(std::size_t stages, Stage last) {
  SMIDGEN_CHECK(stages > 0 && last.weights.size() == stages);
  Policy policy;
  for (std::size_t stage = 0; stage + 1 < stages; ++stage) policy.stages.push_back(pass(stage, kNeverLeave));
  policy.stages.push_back(std::move(last));
  policy.stages.back().threshold = 0;
  return policy;
}

Policy answer_at_the_end(std::size_t stages) {
  SMIDGEN_CHECK(stages > 0);
  return answer_at_the_end(stages, pass(stages - 1, 0));
}

Status write_rungs(const std::string& folder, bool replace, const std::vector<std::string>& labels, Precision precision,
                   std::span<const NamedRung> rungs, const Policy& policy,
                   const std::optional<Certificate>& certificate, const std::string& card,
                   std::shared_ptr<const Speller> speller) {
  SMIDGEN_CHECK(rungs.size() == policy.stages.size());
  BundleInfo info{"classification", labels, Precision::kF32, {}, policy, std::move(speller)};
  std::vector<const Rung*> pointers;
  for (const NamedRung& named : rungs) {
    info.rungs.push_back(
        {named.name, named.rung->kind(), named.name, named.rung->tokens_max(), named.rung->exit_after()});
    pointers.push_back(named.rung);
  }
  info.precision = bundle_precision(info.rungs, precision);
  std::optional<Certificate> bound = certificate;
  if (bound) bound->precision = precision_name(info.precision);
  return save_bundle(folder, replace, info, pointers, bound, card);
}

}  // namespace smidgen
