// The report of a certification that failed: what these rows do certify, and what would change the answer.
#pragma once

#include "smidgen/learn/certify.h"

namespace smidgen {

// `tests`: those made; empty when no candidate was allowed.
RefusalFacts explain_refusal(const CertificationPlan& plan, std::span<const CandidateTest> tests,
                             std::uint64_t units_certify);

// "95 %", "99.5 %": at most four digits, rounded down unless it is exact.
std::string percent(double share);
// Three digits, rounded up: a p-value must not look smaller than it is.
std::string p_in_words(double p_value);
// 12345 -> "12,345".
std::string with_commas(std::uint64_t number);

}  // namespace smidgen
