// From rungs in memory to a bundle on disk: what `pick` and `train` have in common when they write one.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "smidgen/base/result.h"
#include "smidgen/model/bundle.h"

namespace smidgen {

struct NamedRung {
  std::string name;  // its folder in the bundle, too
  const Rung* rung = nullptr;
};

// A policy of `stages` stages that never leaves before the last and answers everything there, by `last`.
Policy answer_at_the_end(std::size_t stages, Stage last);
// The same with the last rung's scores as they are: for rungs that are only to be scored or timed.
Policy answer_at_the_end(std::size_t stages);

// A classification bundle of exactly these rungs, one a stage of the policy (save_bundle has the errors). precision: of
// the encoder, should one be among them; the certificate, if any, gets the bundle's. speller: what the texts are
// read by, null for none.
Status write_rungs(const std::string& folder, bool replace, const std::vector<std::string>& labels, Precision precision,
                   std::span<const NamedRung> rungs, const Policy& policy,
                   const std::optional<Certificate>& certificate, const std::string& card,
                   std::shared_ptr<const Speller> speller = nullptr);

}  // namespace smidgen
