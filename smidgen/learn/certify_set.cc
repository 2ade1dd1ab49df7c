#include "smidgen/learn/certify_set.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "smidgen/learn/refusal.h"
#include "smidgen/text/column_names.h"

namespace smidgen {

namespace {

// Units of a test file that do not certify, each under the first reason that holds.
struct Dropped {
  std::size_t known = 0, chosen = 0, of_models = 0;
};
std::string in_words(const Dropped& dropped, const Dataset& test) {
  std::string reasons;
  const auto add = [&](std::size_t units, const char* reason) {
    if (units > 0) reasons += (reasons.empty() ? "" : ", ") + with_commas(units) + " " + reason;
  };
  add(dropped.known, "also stand in the training data");
  add(dropped.chosen, "have a row that was chosen");
  add(dropped.of_models, "were labelled by a model");
  return fmt::format("{} of {} units of {} do not certify: {}.",
                     with_commas(dropped.known + dropped.chosen + dropped.of_models),
                     with_commas(test.unit_keys.size()), test.path, reasons);
}

}  // namespace

Result<std::vector<std::uint8_t>> large_correct_of(const Dataset& data, std::span<const std::uint32_t> rows) {
  if (data.extras.size() != data.size())
    return Error::usage("--risk all needs the large model's answers")
        .hint("name their column with --large-answers COLUMN");
  std::vector<std::uint8_t> correct;
  for (const std::uint32_t row : rows)
    correct.push_back(data.extras[row] == data.label_names[data.labels[row]] ? 1 : 0);
  return correct;
}

Result<std::optional<Dataset>> leave_to_test(const Dataset& data, const Dataset& test, PickReport& report) {
  const std::vector<bool> by_chance = units_by_chance(data);
  std::vector<bool> leaves(by_chance.size());
  for (const std::uint32_t row : rows_sharing_units(data, test)) leaves[data.units[row]] = !by_chance[data.units[row]];
  std::vector<std::uint32_t> rows;
  for (std::uint32_t row = 0; row < data.size(); ++row)
    if (!leaves[data.units[row]]) rows.push_back(row);
  if (rows.size() == data.size()) return std::optional<Dataset>();
  std::vector<bool> left(data.label_names.size());
  for (const std::uint32_t row : rows) left[data.labels[row]] = true;
  for (const std::uint32_t label : data.labels)
    if (!left[label])
      return Error::bad_data("every row of label " + quoted_for_message(data.label_names[label]) +
                             " was chosen and also stands in " + test.path)
          .in(data.path)
          .hint("label more of it: a text that certifies is not trained on");
  report.notes.push_back(
      fmt::format("{} of {} units of {} were chosen and also stand in {}: they are not trained on, so that choosing "
                  "does not decide what certifies.",
                  with_commas(static_cast<std::size_t>(std::count(leaves.begin(), leaves.end(), true))),
                  with_commas(data.unit_keys.size()), data.path, test.path));
  return std::optional(select_rows(data, rows));
}

Result<CertifySet> certify_set_of_test(const Dataset& data, const Dataset& test, const PickRequest& request,
                                       PickReport& report) {
  const std::unordered_set<std::string> known(data.unit_keys.begin(), data.unit_keys.end());
  if (test.grouped) SMIDGEN_TRY(refuse_chosen(test));
  CertifySet set;
  set.salt = request.split.salt;
  std::vector<std::uint32_t> rows;
  const std::vector<bool> chosen = chosen_units(test);
  const LabelSources sources = label_sources(test);
  std::vector<bool> by_people(test.size());
  for (const std::uint32_t row : sources.human_rows) by_people[row] = true;
  Dropped dropped;
  for (const std::uint32_t row : one_row_per_unit(test, set.salt)) {
    const bool of_model = !sources.human_rows.empty() && !by_people[row];  // some labels are people's: only those count
    std::size_t* const reason = known.contains(test.unit_keys[test.units[row]]) ? &dropped.known
                                : chosen[test.units[row]]                       ? &dropped.chosen
                                : of_model                                      ? &dropped.of_models
                                                                                : nullptr;
    if (reason != nullptr) {
      ++*reason;
      continue;
    }
    const std::string& label = test.label_names[test.labels[row]];
    const auto at = std::lower_bound(data.label_names.begin(), data.label_names.end(), label);
    if (at == data.label_names.end() || *at != label)
      return Error::bad_data("label \"" + label + "\" does not occur in the training data")
          .in(test.path)
          .at_line(test.lines[row]);
    rows.push_back(row);
    set.texts.push_back(test.texts[row]);
    set.labels.push_back(static_cast<std::uint32_t>(at - data.label_names.begin()));
    set.units.push_back(test.units[row]);
  }
  if (rows.size() < test.unit_keys.size()) report.notes.push_back(in_words(dropped, test));
  if (rows.empty())
    return Error::bad_data("no unit that does not also stand in the training data")
        .in(test.path)
        .hint("certify on rows that share no text or group with it, or leave --test out");
  if (request.risk_all) {
    SMIDGEN_ASSIGN(set.large_correct, large_correct_of(test, rows));
  }
  set.split_id = split_id(test, rows, set.salt);
  return set;
}

Result<CertifySet> certify_set_of_split(const Dataset& data, const Split& split, const PickRequest& request) {
  CertifySet set;
  set.salt = split.salt;
  set.split_id = split.id;
  for (const std::uint32_t row : split.certify) {
    set.texts.push_back(data.texts[row]);
    set.labels.push_back(data.labels[row]);
    set.units.push_back(data.units[row]);
  }
  if (request.risk_all) {
    SMIDGEN_ASSIGN(set.large_correct, large_correct_of(data, split.certify));
  }
  return set;
}

void add_reservations(const Dataset& data, const Split& split, const PickRequest& request, CertifySet& certify) {
  const Dataset& of = request.test != nullptr ? *request.test : data;
  if (const std::size_t both = count_units_also_chosen(of); both > 0)
    certify.reservations.push_back(fmt::format(
        "{} with a row drawn at random did not certify, because another of the unit's rows was chosen for its text; "
        "nothing is claimed for units like {}",
        both == 1 ? "one unit" : with_commas(both) + " units", both == 1 ? "it" : "them"));
  if (!of.grouped) return;
  std::unordered_set<std::string> trained;
  for (const std::vector<std::uint32_t>* rows : {&split.fit, &split.tune})
    for (const std::uint32_t row : *rows) trained.insert(unit_key(data.texts[row]));
  std::unordered_map<std::string, std::size_t> count;
  std::vector<std::string> keys;
  for (const std::string_view text : certify.texts) ++count[keys.emplace_back(unit_key(text))];
  std::size_t known = 0, repeated = 0;
  for (const std::string& key : keys) {
    known += trained.contains(key) ? 1 : 0;
    repeated += count[key] > 1 ? 1 : 0;
  }
  if (known + repeated > 0)
    certify.reservations.push_back(fmt::format(
        "groups are drawn independently of each other although they share texts: of the {} certified units {} count by "
        "a text that was also trained on, {} by one that another of them has, too",
        with_commas(keys.size()), with_commas(known), with_commas(repeated)));
}

}  // namespace smidgen
