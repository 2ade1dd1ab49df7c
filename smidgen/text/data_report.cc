// What a person should know about a data set before training on it.
#include <algorithm>
#include <cstdio>
#include <map>
#include <numeric>
#include <unordered_map>

#include "smidgen/text/column_names.h"
#include "smidgen/text/dataset.h"

namespace smidgen {

namespace {

constexpr std::size_t kConflictsListed = 20;

// For each row, the first row with the same normalised text.
std::vector<std::uint32_t> first_rows(const Dataset& data) {
  std::vector<std::uint32_t> first(data.size());
  if (!data.grouped) {
    std::vector<std::uint32_t> of_unit(data.unit_keys.size(), 0xffffffff);
    for (std::uint32_t row = 0; row < data.size(); ++row) {
      std::uint32_t& known = of_unit[data.units[row]];
      first[row] = known = std::min(known, row);
    }
    return first;
  }
  std::unordered_map<std::string, std::uint32_t> of_key;
  for (std::uint32_t row = 0; row < data.size(); ++row)
    first[row] = of_key.try_emplace(unit_key(data.texts[row]), row).first->second;
  return first;
}

// White-space separated words; ASCII white space only, as in Python's bytes.split().
std::size_t count_words(std::string_view text) {
  std::size_t words = 0;
  bool inside = false;
  for (const char c : text) {
    const bool white = c == ' ' || (c >= '\t' && c <= '\r');
    words += !white && !inside ? 1 : 0;
    inside = !white;
  }
  return words;
}

std::string percent(std::size_t part, std::size_t whole) {
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%.1f %%", 100.0 * static_cast<double>(part) / static_cast<double>(whole));
  return buffer;
}

std::string counted(std::size_t n, const std::string& one, const std::string& many) {
  return std::to_string(n) + " " + (n == 1 ? one : many);
}

void count_labels(const Dataset& data, DataReport& report) {
  report.labels.resize(data.label_names.size());
  for (std::size_t label = 0; label < report.labels.size(); ++label)
    report.labels[label].label = data.label_names[label];
  std::vector<std::pair<std::uint32_t, std::uint32_t>> pairs;  // (label, unit)
  pairs.reserve(data.size());
  for (std::size_t row = 0; row < data.size(); ++row) {
    ++report.labels[data.labels[row]].rows;
    pairs.emplace_back(data.labels[row], data.units[row]);
  }
  std::sort(pairs.begin(), pairs.end());
  pairs.erase(std::unique(pairs.begin(), pairs.end()), pairs.end());
  for (const auto& [label, unit] : pairs) ++report.labels[label].units;
  std::stable_sort(report.labels.begin(), report.labels.end(),
                   [](const auto& a, const auto& b) { return a.rows > b.rows; });
}

void count_words_of_rows(const Dataset& data, DataReport& report) {
  std::vector<std::uint32_t> words;
  words.reserve(data.size());
  for (const std::string& text : data.texts) {
    words.push_back(static_cast<std::uint32_t>(count_words(text)));
    report.rows_empty += words.back() == 0 && normalise_for_unit(text).empty() ? 1 : 0;
  }
  std::sort(words.begin(), words.end());
  const auto quantile = [&](double q) {  // the smallest value with at least q of the rows at or below it
    const auto rank = static_cast<std::size_t>(q * static_cast<double>(words.size()) + 0.999999);
    return static_cast<double>(words[std::clamp<std::size_t>(rank, 1, words.size()) - 1]);
  };
  report.words_p50 = quantile(0.5);
  report.words_p95 = quantile(0.95);
  report.words_max = words.back();
}

void count_repeats(const Dataset& data, DataReport& report) {
  const std::vector<std::uint32_t> first = first_rows(data);
  std::vector<bool> torn(data.size());  // by first row: the text has two labels
  for (std::uint32_t row = 0; row < data.size(); ++row) {
    if (first[row] == row) continue;
    ++report.rows_repeated;
    if (data.labels[row] == data.labels[first[row]]) continue;
    torn[first[row]] = true;
    if (report.conflicts.size() < kConflictsListed)
      report.conflicts.emplace_back(data.lines[first[row]], data.lines[row]);
  }
  for (std::uint32_t row = 0; row < data.size(); ++row) report.rows_conflicting += torn[first[row]] ? 1 : 0;
}

void warn_of_labels(const Dataset& data, DataReport& report) {
  const auto& most = report.labels.front();
  if (report.rows >= 20 && most.rows * 10 >= report.rows * 9)
    report.warnings.push_back(percent(most.rows, report.rows) + " of the rows have the label " +
                              quoted_for_message(most.label) +
                              ": accuracy says little here, look at the per-label table.");
  if (report.rows >= 20 && report.labels.size() * 2 > report.rows)
    report.warnings.push_back("there are " + std::to_string(report.labels.size()) + " labels for " +
                              std::to_string(report.rows) + " rows: is --label-column right?");
  std::map<std::string, std::string> folded;
  for (const std::string& name : data.label_names) {
    const auto [known, added] = folded.try_emplace(normalise_for_unit(name), name);
    if (!added)
      report.warnings.push_back("the labels " + quoted_for_message(known->second) + " and " + quoted_for_message(name) +
                                " differ only in case, spacing or form: one label, or two?");
  }
}

void warn_of_rows(const Dataset& data, DataReport& report) {
  if (report.rows_conflicting > 0)
    report.warnings.push_back(counted(report.rows_conflicting, "row has a text", "rows have a text") +
                              " that also stands under another label, first on lines " +
                              std::to_string(report.conflicts[0].first) + " and " +
                              std::to_string(report.conflicts[0].second) + ": no model can get both right.");
  if (report.rows_empty > 0)
    report.warnings.push_back(counted(report.rows_empty, "row has", "rows have") + " an empty text.");
  if (!data.grouped) return;
  std::vector<std::size_t> rows_of_unit(data.unit_keys.size());
  for (const std::uint32_t unit : data.units) ++rows_of_unit[unit];
  const std::size_t most = *std::max_element(rows_of_unit.begin(), rows_of_unit.end());
  if (most * 5 > report.rows)
    report.warnings.push_back("one group holds " + percent(most, report.rows) +
                              " of the rows: it counts as one unit, and the rest has to carry the certificate.");
  if (data.unit_keys.size() == data.size())
    report.warnings.push_back("every row is a group of its own: is --group right?");
}

}  // namespace

std::vector<Conflict> find_conflicts(const Dataset& data) {
  const std::vector<std::uint32_t> first = first_rows(data);
  std::vector<Conflict> conflicts;
  for (std::uint32_t row = 0; row < data.size(); ++row)
    if (data.labels[row] != data.labels[first[row]]) conflicts.push_back({first[row], row});
  return conflicts;
}

std::vector<std::uint32_t> rows_without_conflicts(const Dataset& data) {
  const std::vector<std::uint32_t> first = first_rows(data);
  std::vector<bool> torn(data.size());
  for (std::uint32_t row = 0; row < data.size(); ++row)
    if (data.labels[row] != data.labels[first[row]]) torn[first[row]] = true;
  std::vector<std::uint32_t> rows;
  for (std::uint32_t row = 0; row < data.size(); ++row)
    if (!torn[first[row]]) rows.push_back(row);
  return rows;
}

DataReport report_on(const Dataset& data) {
  DataReport report;
  report.rows = data.size();
  report.units = data.unit_keys.size();
  if (report.rows == 0) return report;
  count_labels(data, report);
  count_words_of_rows(data, report);
  count_repeats(data, report);
  warn_of_labels(data, report);
  warn_of_rows(data, report);
  return report;
}

}  // namespace smidgen
