#include "smidgen/learn/split.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <numeric>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "smidgen/base/random.h"
#include "smidgen/base/sha256.h"
#include "smidgen/learn/time_order.h"

namespace smidgen {

namespace {

using Rows = std::vector<std::uint32_t>;

enum class Part : std::uint8_t { kFit, kTune, kCertify };

double to_unit_interval(std::uint64_t hash) {
  return static_cast<double>(hash >> 11) * 0x1.0p-53;
}

// The rows of each unit, in file order, as one list with starts: unit u owns rows[start[u]] .. rows[start[u + 1]).
struct UnitRows {
  explicit UnitRows(const Dataset& data) : start(data.unit_keys.size() + 1), rows(data.size()) {
    for (const std::uint32_t unit : data.units) ++start[unit + 1];
    std::partial_sum(start.begin(), start.end(), start.begin());
    std::vector<std::size_t> next(start.begin(), start.end() - 1);
    for (std::uint32_t row = 0; row < data.size(); ++row) rows[next[data.units[row]]++] = row;
  }
  std::span<const std::uint32_t> of(std::size_t unit) const {
    return std::span(rows).subspan(start[unit], start[unit + 1] - start[unit]);
  }
  std::size_t count() const { return start.size() - 1; }

  std::vector<std::size_t> start;
  Rows rows;
};

// The different labels of a unit's rows.
void labels_of(const Dataset& data, std::span<const std::uint32_t> rows, Rows& labels) {
  labels.clear();
  for (const std::uint32_t row : rows) labels.push_back(data.labels[row]);
  std::sort(labels.begin(), labels.end());
  labels.erase(std::unique(labels.begin(), labels.end()), labels.end());
}

// Evenly among `rows` of a unit, which are in file order, by a hash.
std::uint32_t drawn_by_hash(const Dataset& data, std::span<const std::uint32_t> rows, std::string_view salt) {
  const std::size_t unit = data.units[rows.front()];
  const double place = to_unit_interval(unit_hash(salt, "row", data.unit_keys[unit]));
  return rows[std::min(rows.size() - 1, static_cast<std::size_t>(place * static_cast<double>(rows.size())))];
}

bool certifies(std::string_view salt, std::string_view unit_key, const SplitShares& shares) {
  return to_unit_interval(unit_hash(salt, "certify", unit_key)) < shares.certify;
}

// Places units one after the other; the steps of make_split.
class Splitter {
 public:
  Splitter(const Dataset& data, const SplitOptions& options)
      : data_(data),
        options_(options),
        units_(data),
        parts_(units_.count(), Part::kFit),
        too_few_(data.label_names.size()),
        chosen_(chosen_units(data)) {}

  Result<Split> run();

 private:
  Status place_certify();
  void place_certify_by_time(const std::vector<bool>& barred);
  void place_certify_by_hash(const std::vector<bool>& barred);
  void place_tune();
  std::vector<bool> units_barred_from_certify() const;
  std::vector<bool> units_barred_from_tune() const;
  Rows rows_that_may_count(std::size_t unit) const;
  std::vector<std::size_t> units_by_label(bool outside_certify_only) const;
  Error too_few_units() const;
  Error none_left(const std::string& purpose) const;
  Split collect() const;
  std::size_t units_min() const { return options_.certify_elsewhere ? kUnitsMinToTrain : kUnitsMinToSplit; }

  const Dataset& data_;
  const SplitOptions& options_;
  UnitRows units_;
  std::vector<Part> parts_;
  std::vector<bool> too_few_;        // by label
  std::vector<bool> chosen_;         // by unit
  std::vector<std::int64_t> times_;  // by row, where certify takes the newest
  SplitShares shares_;
};

Error Splitter::too_few_units() const {
  return Error::bad_data("only " + std::to_string(units_.count()) +
                         (data_.grouped ? " different groups" : " distinct texts"))
      .in(data_.path)
      .hint("at least " + std::to_string(units_min()) + " are needed to fit" +
            (options_.certify_elsewhere ? " and tune on different ones" : ", tune and certify on different ones"));
}

Error Splitter::none_left(const std::string& purpose) const {
  Error error = Error::bad_data(std::string("no ") + (data_.grouped ? "group" : "text") + " is left to " + purpose)
                    .in(data_.path);
  if (!data_.chosen.empty())
    return std::move(error).hint(
        "rows sampled as \"chosen\" are only trained on: label more that were drawn at random");
  return std::move(error).hint("label more rows: a label with fewer than " + std::to_string(kUnitsMinPerLabel) +
                               (data_.grouped ? " groups" : " distinct texts") + " is only trained on");
}

std::vector<std::size_t> Splitter::units_by_label(bool outside_certify_only) const {
  std::vector<std::size_t> counts(data_.label_names.size());
  Rows labels;
  for (std::size_t unit = 0; unit < units_.count(); ++unit) {
    if (outside_certify_only && parts_[unit] == Part::kCertify) continue;
    labels_of(data_, units_.of(unit), labels);
    for (const std::uint32_t label : labels) ++counts[label];
  }
  return counts;
}

// Of a unit that certifies: not those of a label with too few units, and by time the newest of the others. A rare label
// must not keep the whole unit from certifying: a group with many rows has one sooner than a group with few.
Rows Splitter::rows_that_may_count(std::size_t unit) const {
  Rows rows;
  for (const std::uint32_t row : units_.of(unit)) {
    if (too_few_[data_.labels[row]]) continue;
    if (!times_.empty() && !rows.empty()) {
      if (times_[row] < times_[rows.back()]) continue;
      if (times_[row] > times_[rows.back()]) rows.clear();
    }
    rows.push_back(row);
  }
  return rows;
}

// Those of which no row may count.
std::vector<bool> Splitter::units_barred_from_certify() const {
  std::vector<bool> barred = chosen_;
  for (std::size_t unit = 0; unit < units_.count(); ++unit)
    if (rows_that_may_count(unit).empty()) barred[unit] = true;
  return barred;
}

// What a label with too few units has outside certify is all fitted on.
std::vector<bool> Splitter::units_barred_from_tune() const {
  std::vector<bool> barred = shares_.certify > 0 ? chosen_ : std::vector<bool>(units_.count());
  for (std::size_t row = 0; row < data_.size(); ++row)
    if (too_few_[data_.labels[row]]) barred[data_.units[row]] = true;
  return barred;
}

void Splitter::place_certify_by_hash(const std::vector<bool>& barred) {
  for (std::size_t unit = 0; unit < units_.count(); ++unit)
    if (!barred[unit] && certifies(options_.salt, data_.unit_keys[unit], shares_)) parts_[unit] = Part::kCertify;
}

void Splitter::place_certify_by_time(const std::vector<bool>& barred) {
  struct Age {
    std::int64_t time;
    std::uint64_t hash;
    std::uint32_t unit;
  };
  std::vector<Age> ages;
  for (std::uint32_t unit = 0; unit < units_.count(); ++unit)
    if (!barred[unit])
      ages.push_back({times_[rows_that_may_count(unit).front()],
                      unit_hash(options_.salt, "certify", data_.unit_keys[unit]), unit});
  std::sort(ages.begin(), ages.end(), [](const Age& a, const Age& b) {
    return std::tuple(b.time, a.hash, a.unit) < std::tuple(a.time, b.hash, b.unit);
  });
  const auto random = std::count(chosen_.begin(), chosen_.end(), false);
  const auto wanted = static_cast<std::size_t>(std::llround(shares_.certify * static_cast<double>(random)));
  for (std::size_t i = 0; i < std::min(wanted, ages.size()); ++i) parts_[ages[i].unit] = Part::kCertify;
}

Status Splitter::place_certify() {
  if (data_.times.empty()) {
    place_certify_by_hash(units_barred_from_certify());
  } else {
    SMIDGEN_ASSIGN(times_, order_times(data_));
    place_certify_by_time(units_barred_from_certify());
  }
  // A label all of whose units fell to certify could not be learned: it counts as one with too few.
  const std::vector<std::size_t> left = units_by_label(/*outside_certify_only=*/true);
  for (std::size_t label = 0; label < left.size(); ++label)
    if (left[label] == 0) too_few_[label] = true;
  const std::vector<bool> barred_now = units_barred_from_certify();
  for (std::size_t unit = 0; unit < units_.count(); ++unit)
    if (barred_now[unit]) parts_[unit] = Part::kFit;
  if (std::find(parts_.begin(), parts_.end(), Part::kCertify) == parts_.end()) return none_left("certify on");
  return Ok{};
}

void Splitter::place_tune() {
  struct Place {
    bool chosen;
    std::uint64_t hash;
    std::uint32_t unit;
  };
  std::vector<Place> places;
  std::size_t rest = 0;
  const std::vector<bool> barred = units_barred_from_tune();
  const std::string purpose = "tune " + std::to_string(options_.seed);
  for (std::uint32_t unit = 0; unit < units_.count(); ++unit) {
    if (parts_[unit] == Part::kCertify) continue;
    ++rest;
    if (!barred[unit])
      places.push_back({chosen_[unit], unit_hash(options_.salt, purpose, data_.unit_keys[unit]), unit});
  }
  std::sort(places.begin(), places.end(), [](const Place& a, const Place& b) {
    return std::tuple(a.chosen, a.hash, a.unit) < std::tuple(b.chosen, b.hash, b.unit);
  });
  const double share = shares_.tune / (shares_.fit + shares_.tune);
  auto wanted = std::max<std::size_t>(1, static_cast<std::size_t>(std::llround(share * static_cast<double>(rest))));
  std::vector<std::size_t> left = units_by_label(/*outside_certify_only=*/true);
  Rows labels;
  for (const Place& place : places) {
    if (wanted == 0) break;
    labels_of(data_, units_.of(place.unit), labels);
    // Every label keeps a unit to be learned from.
    if (std::any_of(labels.begin(), labels.end(), [&](std::uint32_t label) { return left[label] < 2; })) continue;
    for (const std::uint32_t label : labels) --left[label];
    parts_[place.unit] = Part::kTune;
    --wanted;
  }
}

Split Splitter::collect() const {
  Split split;
  split.salt = options_.salt;
  split.shares = shares_;
  split.by_time = !data_.times.empty();
  split.units_chosen = static_cast<std::size_t>(std::count(chosen_.begin(), chosen_.end(), true));
  std::vector<bool> certified(data_.label_names.size());
  for (std::size_t unit = 0; unit < units_.count(); ++unit) {
    const auto rows = units_.of(unit);
    if (parts_[unit] == Part::kCertify) {
      ++split.units_certify;
      split.certify.push_back(drawn_by_hash(data_, rows_that_may_count(unit), options_.salt));
      split.rows_unused += rows.size() - 1;
      certified[data_.labels[split.certify.back()]] = true;
    } else if (parts_[unit] == Part::kTune) {
      ++split.units_tune;
      split.tune.insert(split.tune.end(), rows.begin(), rows.end());
    } else {
      ++split.units_fit;
      split.fit.insert(split.fit.end(), rows.begin(), rows.end());
    }
  }
  for (Rows* rows : {&split.fit, &split.tune, &split.certify}) std::sort(rows->begin(), rows->end());
  for (std::uint32_t label = 0; label < too_few_.size(); ++label) {
    if (too_few_[label]) split.labels_too_few.push_back(label);
    if (!certified[label]) split.labels_not_certified.push_back(label);
  }
  split.id = split_id(data_, split.certify, options_.salt);
  return split;
}

Result<Split> Splitter::run() {
  if (units_.count() < units_min()) return too_few_units();
  const auto random = static_cast<std::size_t>(std::count(chosen_.begin(), chosen_.end(), false));
  shares_ = options_.shares.value_or(default_split_shares(random));
  SMIDGEN_CHECK(shares_.fit > 0 && shares_.tune > 0 && shares_.certify >= 0);
  if (options_.certify_elsewhere)
    shares_ = {shares_.fit / (shares_.fit + shares_.tune), shares_.tune / (shares_.fit + shares_.tune), 0};
  const std::vector<std::size_t> counts = units_by_label(/*outside_certify_only=*/false);
  for (std::size_t label = 0; label < counts.size(); ++label) too_few_[label] = counts[label] < kUnitsMinPerLabel;
  if (shares_.certify > 0) SMIDGEN_TRY(place_certify());
  place_tune();
  Split split = collect();
  if (split.tune.empty()) return none_left("tune on");
  return split;
}

}  // namespace

std::uint64_t unit_hash(std::string_view salt, std::string_view purpose, std::string_view key) {
  thread_local Sha256 hasher;
  constexpr std::string_view kEnd("\0", 1);
  hasher.add(salt);
  hasher.add(kEnd);
  hasher.add(purpose);
  hasher.add(kEnd);
  hasher.add(key);
  return leading_bits(hasher.finish());
}

bool below_certify_share(std::string_view unit_key, const SplitShares& shares) {
  return certifies(kDefaultSplitSalt, unit_key, shares);
}

SplitShares default_split_shares(std::size_t units) {
  const double certify = std::max(0.2, std::min(400.0 / static_cast<double>(std::max<std::size_t>(units, 1)), 0.4));
  return {0.85 * (1 - certify), 0.15 * (1 - certify), certify};
}

Result<SplitShares> parse_split_shares(std::string_view text) {
  const std::string said(text.substr(0, 64));
  const char how[] = "write percentages that add up to 100, such as 70/10/20";
  const Error wrong = Error::usage(said + " is not FIT/TUNE/CERTIFY").hint(how);
  double values[3] = {};
  const char* at = text.data();
  const char* end = text.data() + text.size();
  for (std::size_t i = 0; i < 3; ++i) {
    const auto [next, code] = std::from_chars(at, end, values[i], std::chars_format::fixed);
    if (code != std::errc() || !std::isfinite(values[i]) || values[i] < 0) return wrong;
    if (i < 2 ? next == end || *next != '/' : next != end) return wrong;
    at = next + 1;
  }
  const double sum = values[0] + values[1] + values[2];
  // Which of the three is the slip cannot be known, so nothing is made to fit.
  if (std::abs(sum - 100) > 1e-6 && std::abs(sum - 1) > 1e-6)
    return Error::usage(fmt::format("{} adds up to {:g}, not to 100 (or 1)", said, sum)).hint(how);
  if (values[0] == 0 || values[1] == 0) return wrong;
  return SplitShares{values[0] / sum, values[1] / sum, values[2] / sum};
}

namespace {

// Rows that people labelled are split as usual; those of models join fit, or tune where their unit is, and where it
// certifies they are not used. A unit is chosen whoever labelled the row that was.
Result<Split> split_people(const Dataset& data, const LabelSources& sources, const SplitOptions& options) {
  const std::vector<bool> chosen = chosen_units(data);
  Dataset people = select_rows(data, sources.human_rows);
  if (!data.chosen.empty())
    for (std::size_t i = 0; i < people.size(); ++i)
      people.chosen[i] = chosen[data.units[sources.human_rows[i]]] ? 1 : 0;
  auto made = Splitter(people, options).run();
  if (!made.ok())
    return std::move(made).error().hint(
        "only rows that people labelled certify: label more of them, or pass --test FILE");
  Split split = std::move(*made);
  split.units_chosen = static_cast<std::size_t>(std::count(chosen.begin(), chosen.end(), true));
  for (Rows* rows : {&split.fit, &split.tune, &split.certify})
    for (std::uint32_t& row : *rows) row = sources.human_rows[row];
  std::vector<Part> parts(data.unit_keys.size(), Part::kFit);
  std::vector<bool> in_fit(data.unit_keys.size());
  for (const std::uint32_t row : split.tune) parts[data.units[row]] = Part::kTune;
  for (const std::uint32_t row : split.certify) parts[data.units[row]] = Part::kCertify;
  for (const std::uint32_t row : split.fit) in_fit[data.units[row]] = true;
  for (std::uint32_t row = 0, next = 0; row < data.size(); ++row) {
    if (next < sources.human_rows.size() && sources.human_rows[next] == row) {
      ++next;
      continue;
    }
    const std::uint32_t unit = data.units[row];
    if (parts[unit] == Part::kCertify) {
      ++split.rows_unused;
      continue;
    }
    (parts[unit] == Part::kTune ? split.tune : split.fit).push_back(row);
    if (parts[unit] == Part::kTune || in_fit[unit]) continue;
    in_fit[unit] = true;
    ++split.units_fit;
  }
  for (Rows* rows : {&split.fit, &split.tune}) std::sort(rows->begin(), rows->end());
  return split;
}

}  // namespace

Status refuse_chosen(const Dataset& data) {
  const bool any = std::any_of(data.chosen.begin(), data.chosen.end(), [](std::uint8_t one) { return one != 0; });
  if (!any || (!data.grouped && data.times.empty())) return Ok{};
  return Error::usage(std::string(data.grouped ? "--group" : "--time") + " does not go with rows sampled as \"chosen\"")
      .in(data.path)
      .hint("leave those out, or certify on random rows with --test FILE");
}

namespace {

Result<Split> split_by_source(const Dataset& data, const SplitOptions& options) {
  const LabelSources sources = label_sources(data);
  if (sources.human_rows.empty() || sources.model_rows == 0 || options.certify_elsewhere)
    return Splitter(data, options).run();
  // People's newest rows certify, and models' rows of the same time would be trained on.
  if (!data.times.empty())
    return Error::usage("--time does not go with rows that models labelled beside rows that people labelled")
        .in(data.path)
        .hint("leave the models' rows out, or certify on newer rows that people labelled with --test FILE");
  return split_people(data, sources, options);
}

}  // namespace

Result<Split> make_split(const Dataset& data, const SplitOptions& options) {
  if (!options.certify_elsewhere) SMIDGEN_TRY(refuse_chosen(data));
  SMIDGEN_ASSIGN(Split split, split_by_source(data, options));
  std::vector<bool> learned(data.label_names.size());
  for (const Rows* rows : {&split.fit, &split.tune})
    for (const std::uint32_t row : *rows) learned[data.labels[row]] = true;
  for (std::uint32_t label = 0; label < learned.size(); ++label)
    if (!learned[label]) split.labels_not_learned.push_back(label);
  return split;
}

std::vector<bool> chosen_units(const Dataset& data) {
  std::vector<bool> chosen(data.unit_keys.size());
  for (std::size_t row = 0; row < data.chosen.size(); ++row)
    if (data.chosen[row] != 0) chosen[data.units[row]] = true;
  return chosen;
}

std::vector<bool> units_by_chance(const Dataset& data) {
  std::vector<bool> by_chance(data.unit_keys.size(), data.chosen.empty());
  for (std::size_t row = 0; row < data.chosen.size(); ++row)
    if (data.chosen[row] == 0) by_chance[data.units[row]] = true;
  return by_chance;
}

std::size_t count_units_also_chosen(const Dataset& data) {
  const std::vector<bool> chosen = chosen_units(data), by_chance = units_by_chance(data);
  std::size_t both = 0;
  for (std::size_t unit = 0; unit < chosen.size(); ++unit) both += chosen[unit] && by_chance[unit] ? 1 : 0;
  return both;
}

std::vector<std::uint32_t> one_row_per_unit(const Dataset& data, std::string_view salt) {
  const UnitRows units(data);
  Rows rows;
  for (std::size_t unit = 0; unit < units.count(); ++unit) rows.push_back(drawn_by_hash(data, units.of(unit), salt));
  std::sort(rows.begin(), rows.end());
  return rows;
}

std::vector<std::uint32_t> one_row_per_unit(std::span<const std::uint32_t> units, std::uint64_t seed) {
  struct Pick {
    std::uint32_t row = 0, seen = 0;
  };
  Random random(seed ^ 0x756e6974726f7773ULL);
  std::unordered_map<std::uint32_t, Pick> picks;
  for (std::uint32_t i = 0; i < units.size(); ++i) {  // reservoir of one
    Pick& pick = picks[units[i]];
    if (random.below(++pick.seen) == 0) pick.row = i;
  }
  std::vector<std::uint32_t> rows;
  for (const auto& [unit, pick] : picks) rows.push_back(pick.row);
  std::sort(rows.begin(), rows.end());
  return rows;
}

std::string split_id(const Dataset& data, std::span<const std::uint32_t> certify_rows, std::string_view salt) {
  std::vector<std::string_view> keys;
  for (const std::uint32_t row : certify_rows) keys.push_back(data.unit_keys[data.units[row]]);
  std::sort(keys.begin(), keys.end());
  Sha256 hasher;
  const auto add = [&](std::string_view part) {  // with its length, so that no two lists read the same
    hasher.add(std::to_string(part.size()) + ":");
    hasher.add(part);
  };
  add(salt);
  for (const std::string_view key : keys) add(key);
  return to_hex(hasher.finish());
}

}  // namespace smidgen
