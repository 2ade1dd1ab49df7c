// Which rows `pick` certifies on: of the data's own split, or of the user's test file.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "smidgen/base/result.h"
#include "smidgen/learn/pick.h"
#include "smidgen/learn/split.h"
#include "smidgen/text/dataset.h"

namespace smidgen {

// The rows that certify: one a unit. Before the plan is fixed only their number and, for the early refusal and the list
// of labels nothing is claimed for, the number of each label are looked at; neither reaches the plan's candidates.
struct CertifySet {
  std::vector<std::string_view> texts;
  std::vector<std::uint32_t> labels, units;
  std::vector<std::uint8_t> large_correct;
  std::vector<std::uint64_t> label_units;  // per label, for the early refusal
  std::string split_id, salt;
  std::vector<std::string> reservations;  // further assumptions of the certificate
};

// Whether the large model is right on each of `rows`. kUsage: the data has no answers of one.
Result<std::vector<std::uint8_t>> large_correct_of(const Dataset& data, std::span<const std::uint32_t> rows);

// The data without the units that it has by choice alone and the test file has as well: choosing must not decide which
// units certify. Those that it has by chance do not certify (certify_set_of_test). Nothing when there are none.
Result<std::optional<Dataset>> leave_to_test(const Dataset& data, const Dataset& test, PickReport& report);

// Rows of the user's own test file that certify: labels by the data's numbers, units that were trained on left out.
Result<CertifySet> certify_set_of_test(const Dataset& data, const Dataset& test, const PickRequest& request,
                                       PickReport& report);
Result<CertifySet> certify_set_of_split(const Dataset& data, const Split& split, const PickRequest& request);

// What the certificate must say of the units that certify, beside what every one says.
void add_reservations(const Dataset& data, const Split& split, const PickRequest& request, CertifySet& certify);

}  // namespace smidgen
