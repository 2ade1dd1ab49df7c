#include "smidgen/text/dataset.h"

#include <algorithm>
#include <functional>
#include <memory>
#include <numeric>
#include <utility>

#include "smidgen/base/json.h"
#include "smidgen/base/out_of_memory.h"
#include "smidgen/base/sha256.h"
#include "smidgen/text/column_names.h"
#include "smidgen/text/record_reader_parts.h"

namespace smidgen {

namespace {

// Hashes and counts the bytes that pass by.
class HashingSource : public ByteSource {
 public:
  struct Tally {
    Sha256 hasher;
    std::uint64_t bytes = 0;
  };
  HashingSource(std::unique_ptr<ByteSource> source, std::shared_ptr<Tally> tally)
      : source_(std::move(source)), tally_(std::move(tally)) {}

  Result<std::size_t> read(char* out, std::size_t size) override {
    SMIDGEN_ASSIGN(const std::size_t got, source_->read(out, size));
    tally_->hasher.add({out, got});
    tally_->bytes += got;
    return got;
  }

 private:
  std::unique_ptr<ByteSource> source_;
  std::shared_ptr<Tally> tally_;
};

// Names to dense numbers by first appearance. The table holds numbers only and compares through the list of names: a
// map would keep every name twice.
class Numbering {
 public:
  explicit Numbering(std::vector<std::string>& names) : names_(names) {
    for (std::uint32_t i = 0; i < names_.size(); ++i) insert(i);
  }

  std::uint32_t number_of(std::string&& name) {
    if (const std::uint32_t known = find(name); known != kFree) return known;
    names_.push_back(std::move(name));
    insert(static_cast<std::uint32_t>(names_.size() - 1));
    return static_cast<std::uint32_t>(names_.size() - 1);
  }

 private:
  static constexpr std::uint32_t kFree = 0xffffffff;

  std::size_t slot_of(const std::string& name) const {
    return std::hash<std::string_view>{}(name) & (slots_.size() - 1);
  }
  std::uint32_t find(const std::string& name) const {
    for (std::size_t slot = slot_of(name); slots_[slot] != kFree; slot = (slot + 1) & (slots_.size() - 1))
      if (names_[slots_[slot]] == name) return slots_[slot];
    return kFree;
  }
  void insert(std::uint32_t number) {
    if (2 * (used_ + 1) > slots_.size()) {
      slots_.assign(slots_.size() * 2, kFree);
      for (std::uint32_t i = 0; i < number; ++i) place(i);
    }
    place(number);
    ++used_;
  }
  void place(std::uint32_t number) {
    std::size_t slot = slot_of(names_[number]);
    while (slots_[slot] != kFree) slot = (slot + 1) & (slots_.size() - 1);
    slots_[slot] = number;
  }

  std::vector<std::string>& names_;
  std::vector<std::uint32_t> slots_ = std::vector<std::uint32_t>(64, kFree);
  std::size_t used_ = 0;
};

Error row_error(const std::string& name, std::uint64_t line, std::string what) {
  return Error::bad_data(std::move(what)).in(name).at_line(line);
}

// A teacher's probabilities as names and shares above 0, likeliest first: what `run --top` writes. Names that are one
// without their white space are one label.
using NamedShares = std::vector<std::pair<std::string, float>>;
Result<NamedShares> parse_shares(const std::string& json) {
  constexpr double kSumMax = 1.01;  // rounded probabilities may add up to a little more than 1
  NamedShares shares;
  SMIDGEN_ASSIGN(const JsonDocument document, JsonDocument::parse(json));
  simdjson::dom::object object;
  if (document.root().get(object) != simdjson::SUCCESS) return Error::bad_data("the probabilities are no JSON object");
  std::vector<std::string> names;
  Numbering numbers(names);
  std::vector<double> share_of;
  double sum = 0;
  for (const auto field : object) {
    double share = 0;
    if (field.value.get(share) != simdjson::SUCCESS || !(share >= 0 && share <= 1))
      return Error::bad_data("the probability of " + quoted_for_message(field.key) + " is no number from 0 to 1");
    sum += share;
    const std::uint32_t number = numbers.number_of(std::string(trim_ascii(field.key)));
    share_of.resize(names.size());
    share_of[number] += share;
  }
  if (sum > kSumMax) return Error::bad_data("the probabilities do not add up to at most 1");
  for (std::size_t i = 0; i < names.size(); ++i)
    if (const auto share = static_cast<float>(share_of[i]); share > 0) shares.emplace_back(std::move(names[i]), share);
  if (shares.empty()) return Error::bad_data("no probability is above 0");
  std::stable_sort(shares.begin(), shares.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
  return shares;
}

// Fills a Dataset row by row.
class Collector {
 public:
  Collector(std::string name, const ReadOptions& options)
      : name_(std::move(name)),
        labels_from_(trim_ascii(options.labels_from)),
        has_times_(!options.time_column.empty()),
        has_extras_(!options.extra_column.empty()),
        has_soft_(!options.soft_column.empty()),
        has_sources_(has_soft_ || !options.source_column.empty() || !options.labels_from.empty()),
        labels_(data_.label_names),
        units_(data_.unit_keys),
        sources_(data_.source_names),
        soft_numbers_(soft_names_) {
    data_.grouped = !options.group_column.empty();
  }

  Status add(Record& record);
  Result<Dataset> finish();
  // Room for the rows to come, judged by those that came: growth by doubling would hold a third more.
  void expect_rows(std::size_t rows);

 private:
  Status add_soft(Record& record);
  void add_source(Record& record);
  Error no_label(std::uint64_t line) const {
    return row_error(name_, line, "the label is empty").hint("label the row or remove it");
  }
  void keep_soft_of_labels();

  std::string name_, labels_from_;
  bool has_times_, has_extras_, has_soft_, has_sources_;
  Dataset data_;
  std::uint64_t first_unlabelled_ = 0;  // line
  Numbering labels_, units_, sources_;
  std::vector<std::string> soft_names_;  // labels that probabilities name, some of which no row may have
  Numbering soft_numbers_;
};

// Probabilities name labels by numbers of their own until all labels are known. A row without a label takes the
// likeliest.
Status Collector::add_soft(Record& record) {
  std::vector<SoftLabel> entries;
  if (!record.soft.empty() && record.soft != "null") {
    auto shares = parse_shares(record.soft);
    if (!shares.ok() && shares.error().kind() == ErrorKind::kIo) return std::move(shares).error();  // out of memory
    if (!shares.ok()) return row_error(name_, record.line, shares.error().what());
    if (record.label.empty()) record.label = shares->front().first;
    for (auto& [label, share] : *shares) entries.push_back({soft_numbers_.number_of(std::move(label)), share});
  } else if (record.label.empty()) {
    return row_error(name_, record.line, "neither a label nor probabilities").hint("label the row or remove it");
  }
  data_.soft.add_row(entries);
  return Ok{};
}

void Collector::add_source(Record& record) {
  std::string source = std::move(record.source);
  if (source.empty()) source = labels_from_;
  if (source.empty())
    source = has_soft_ && !data_.soft.of(data_.soft.rows() - 1).empty() ? kUnnamedModel : kHumanSource;
  if (edit_distance(source, kHumanSource) == 0) source = kHumanSource;  // "Human"
  data_.sources.push_back(sources_.number_of(std::move(source)));
}

Status Collector::add(Record& record) {
  if (record.error) return std::move(*record.error);
  // Of what `plan` asked for the end may be missing yet, but no row between: which ones are left out would say
  // something about them.
  const bool to_come = record.label.empty() && (record.soft.empty() || record.soft == "null") &&
                       (record.sampled == "random" || record.sampled == kSampledChosen);
  if (to_come && data_.rows_unlabelled++ == 0) first_unlabelled_ = record.line;
  if (to_come) return Ok{};
  if (data_.rows_unlabelled > 0) return no_label(first_unlabelled_);
  if (has_soft_) SMIDGEN_TRY(add_soft(record));
  if (has_sources_) add_source(record);
  if (record.label.empty()) return no_label(record.line);
  if (record.label.size() > Dataset::kLabelBytesMax)
    return row_error(name_, record.line,
                     "the label has more than " + std::to_string(Dataset::kLabelBytesMax) + " bytes")
        .hint("is --label-column right?");
  if (data_.grouped && record.group.empty()) return row_error(name_, record.line, "the group is empty");
  if (has_times_ && trim_ascii(record.time).empty()) return row_error(name_, record.line, "the time is empty");
  if (!record.sampled.empty() && record.sampled != "random" && record.sampled != kSampledChosen)
    return row_error(name_, record.line, "column \"sampled\" says " + quoted_for_message(record.sampled))
        .hint("it says how a row was drawn, \"random\" or \"chosen\"; rename the column if it means something else");
  if (data_.size() >= Dataset::kRowsMax) return row_error(name_, record.line, "more rows than this program can hold");
  const std::uint32_t label = labels_.number_of(std::move(record.label));
  if (label >= Dataset::kLabelsMax)
    return row_error(name_, record.line, "more than " + std::to_string(Dataset::kLabelsMax) + " different labels")
        .hint("is --label-column right?");
  data_.labels.push_back(label);
  data_.units.push_back(units_.number_of(data_.grouped ? std::move(record.group) : unit_key(record.text)));
  data_.texts.emplace_back(record.text);  // a copy of just its size; the reader's buffer may be larger
  if (has_times_) data_.times.emplace_back(record.time);
  if (has_extras_) data_.extras.emplace_back(record.extra);
  if (record.sampled == kSampledChosen && data_.chosen.empty()) data_.chosen.assign(data_.size() - 1, 0);
  if (record.sampled == kSampledChosen || !data_.chosen.empty())
    data_.chosen.push_back(record.sampled == kSampledChosen ? 1 : 0);
  data_.lines.push_back(record.line);
  return Ok{};
}

void Collector::expect_rows(std::size_t rows) {
  data_.texts.reserve(rows);
  data_.labels.reserve(rows);
  data_.units.reserve(rows);
  data_.lines.reserve(rows);
  if (!data_.grouped) data_.unit_keys.reserve(rows);
  if (has_times_) data_.times.reserve(rows);
  if (has_extras_) data_.extras.reserve(rows);
}

// Shares of labels that rows have, scaled to 1; a row without any has its own label.
void Collector::keep_soft_of_labels() {
  constexpr std::uint32_t kNone = 0xffffffff;
  std::vector<std::uint32_t> label_of(soft_names_.size(), kNone);
  std::vector<std::uint32_t> order(data_.label_names.size());
  std::iota(order.begin(), order.end(), 0U);
  const auto by_name = [&](std::uint32_t a, std::uint32_t b) { return data_.label_names[a] < data_.label_names[b]; };
  std::sort(order.begin(), order.end(), by_name);
  for (std::size_t i = 0; i < soft_names_.size(); ++i) {
    const auto at = std::lower_bound(order.begin(), order.end(), soft_names_[i],
                                     [&](std::uint32_t a, const std::string& b) { return data_.label_names[a] < b; });
    if (at != order.end() && data_.label_names[*at] == soft_names_[i]) label_of[i] = *at;
  }
  SoftLabels kept;
  std::vector<SoftLabel> entries;
  for (std::size_t row = 0; row < data_.soft.rows(); ++row) {
    entries.clear();
    double sum = 0;
    for (const SoftLabel& entry : data_.soft.of(row)) {
      if (label_of[entry.label] == kNone) continue;
      entries.push_back({label_of[entry.label], entry.share});
      sum += entry.share;
    }
    if (!(sum > 0)) {
      entries.assign(1, {data_.labels[row], 1.0F});
      sum = 1;
    }
    for (SoftLabel& entry : entries) entry.share = static_cast<float>(entry.share / sum);
    kept.add_row(entries);
  }
  data_.soft = std::move(kept);
}

// Numbers labels by their sorted names instead of by appearance.
void sort_labels(Dataset& data) {
  std::vector<std::uint32_t> order(data.label_names.size());
  std::iota(order.begin(), order.end(), 0U);
  std::sort(order.begin(), order.end(),
            [&](std::uint32_t a, std::uint32_t b) { return data.label_names[a] < data.label_names[b]; });
  std::vector<std::uint32_t> rank(order.size());
  std::vector<std::string> names;
  for (std::uint32_t i = 0; i < order.size(); ++i) {
    rank[order[i]] = i;
    names.push_back(std::move(data.label_names[order[i]]));
  }
  data.label_names = std::move(names);
  for (std::uint32_t& label : data.labels) label = rank[label];
  data.soft.renumber(rank);
}

// The same for whoever gave them.
void sort_sources(Dataset& data) {
  std::vector<std::string> sorted = data.source_names;
  std::sort(sorted.begin(), sorted.end());
  for (std::uint32_t& source : data.sources)
    source = static_cast<std::uint32_t>(std::lower_bound(sorted.begin(), sorted.end(), data.source_names[source]) -
                                        sorted.begin());
  data.source_names = std::move(sorted);
}

Result<Dataset> Collector::finish() {
  if (data_.size() == 0 && data_.rows_unlabelled > 0) return no_label(first_unlabelled_);
  if (data_.size() == 0) return Error::bad_data("has no rows").in(name_).hint("write at least two labelled rows");
  if (data_.label_names.size() == 1)
    return Error::bad_data("every row has the label " + quoted_for_message(data_.label_names[0]))
        .in(name_)
        .hint("there is nothing to tell apart: at least two labels are needed");
  keep_soft_of_labels();
  sort_labels(data_);
  sort_sources(data_);
  return std::move(data_);
}

constexpr std::size_t kRowsBeforeGuess = 4096;

// bytes_expected: of the whole input, 0 when unknown.
Result<Dataset> collect(std::unique_ptr<ByteSource> source, const std::string& name, ReadOptions options,
                        std::uint64_t bytes_expected) {
  if (options.label_column.empty()) options.label_column = "label";
  auto tally = std::make_shared<HashingSource::Tally>();
  SMIDGEN_ASSIGN(auto reader, read_records(std::make_unique<HashingSource>(std::move(source), tally), name, options));
  Collector collector(name, options);
  Record record;
  for (std::size_t rows = 0;; ++rows) {
    SMIDGEN_ASSIGN(const bool found, reader->next(record));
    if (!found) break;
    SMIDGEN_TRY(collector.add(record));
    if (rows == kRowsBeforeGuess && bytes_expected > record.byte)
      collector.expect_rows(static_cast<std::size_t>(1.05 * static_cast<double>(bytes_expected) /
                                                     static_cast<double>(record.byte) * kRowsBeforeGuess));
  }
  SMIDGEN_ASSIGN(Dataset data, collector.finish());
  data.sha256 = to_hex(tally->hasher.finish());
  data.bytes = tally->bytes;
  data.delimiter_found = reader->delimiter_found();
  return data;
}

}  // namespace

Result<Dataset> Dataset::load(const std::string& path, const ReadOptions& options) try {
  SMIDGEN_ASSIGN(OpenedSource opened, open_byte_source(path, options.cancelled));
  SMIDGEN_ASSIGN(Dataset data,
                 collect(std::move(opened.source), path == "-" ? "<stdin>" : path, options, opened.bytes));
  data.path = path;
  return data;
} catch (const std::bad_alloc&) {
  return out_of_memory();
}

Result<Dataset> Dataset::from_memory(std::string_view bytes, const std::string& name, const ReadOptions& options) try {
  SMIDGEN_ASSIGN(Dataset data, collect(memory_byte_source(bytes), name, options, bytes.size()));
  data.path = name;
  return data;
} catch (const std::bad_alloc&) {
  return out_of_memory();
}

Dataset select_rows(const Dataset& data, std::span<const std::uint32_t> rows) {
  Dataset chosen;
  chosen.path = data.path;
  chosen.label_names = data.label_names;
  chosen.sha256 = data.sha256;
  chosen.bytes = data.bytes;
  chosen.grouped = data.grouped;
  chosen.source_names = data.source_names;
  constexpr std::uint32_t kUnseen = 0xffffffff;
  std::vector<std::uint32_t> renumbered(data.unit_keys.size(), kUnseen);
  for (const std::uint32_t row : rows) {
    SMIDGEN_CHECK(row < data.size());
    std::uint32_t& unit = renumbered[data.units[row]];
    if (unit == kUnseen) {
      unit = static_cast<std::uint32_t>(chosen.unit_keys.size());
      chosen.unit_keys.push_back(data.unit_keys[data.units[row]]);
    }
    chosen.texts.push_back(data.texts[row]);
    chosen.labels.push_back(data.labels[row]);
    chosen.units.push_back(unit);
    if (!data.times.empty()) chosen.times.push_back(data.times[row]);
    if (!data.extras.empty()) chosen.extras.push_back(data.extras[row]);
    if (!data.chosen.empty()) chosen.chosen.push_back(data.chosen[row]);
    chosen.lines.push_back(data.lines[row]);
    if (data.soft.rows() > 0) chosen.soft.add_row(data.soft.of(row));
    if (!data.sources.empty()) chosen.sources.push_back(data.sources[row]);
  }
  return chosen;
}

Result<Dataset> merge_datasets(const Dataset& a, const Dataset& b) {
  if (a.grouped != b.grouped || a.times.empty() != b.times.empty() || a.extras.empty() != b.extras.empty() ||
      (a.soft.rows() > 0) != (b.soft.rows() > 0) || a.sources.empty() != b.sources.empty())
    return Error::usage(a.path + " and " + b.path + " were read with different group, time, source or other columns")
        .hint("read both with the same columns");
  if (a.size() + b.size() > Dataset::kRowsMax)
    return Error::bad_data(a.path + " and " + b.path + " have more rows together than this program can hold");
  Dataset both = a;
  both.sha256 = sha256_hex(a.sha256 + b.sha256);
  both.bytes += b.bytes;
  Numbering labels(both.label_names), units(both.unit_keys), sources(both.source_names);
  for (std::size_t row = 0; row < b.size(); ++row) {
    both.labels.push_back(labels.number_of(std::string(b.label_names[b.labels[row]])));
    both.units.push_back(units.number_of(std::string(b.unit_keys[b.units[row]])));
    if (!b.sources.empty()) both.sources.push_back(sources.number_of(std::string(b.source_names[b.sources[row]])));
    if (b.soft.rows() == 0) continue;
    std::vector<SoftLabel> entries;
    for (const SoftLabel& entry : b.soft.of(row))
      entries.push_back({labels.number_of(std::string(b.label_names[entry.label])), entry.share});
    both.soft.add_row(entries);
  }
  both.texts.insert(both.texts.end(), b.texts.begin(), b.texts.end());
  both.times.insert(both.times.end(), b.times.begin(), b.times.end());
  both.extras.insert(both.extras.end(), b.extras.begin(), b.extras.end());
  both.lines.insert(both.lines.end(), b.lines.begin(), b.lines.end());
  if (!a.chosen.empty() || !b.chosen.empty()) {
    both.chosen.resize(a.size());
    both.chosen.insert(both.chosen.end(), b.chosen.begin(), b.chosen.end());
    both.chosen.resize(a.size() + b.size());
  }
  sort_labels(both);
  sort_sources(both);
  return both;
}

LabelSources label_sources(const Dataset& data) {
  LabelSources found;
  std::vector<bool> seen(data.source_names.size());
  for (std::uint32_t row = 0; row < data.size(); ++row) {
    if (data.sources.empty() || data.source_names[data.sources[row]] == kHumanSource)
      found.human_rows.push_back(row);
    else
      seen[data.sources[row]] = true;
  }
  found.model_rows = data.size() - found.human_rows.size();
  for (std::size_t i = 0; i < seen.size(); ++i)
    if (seen[i]) found.models += (found.models.empty() ? "" : " and ") + data.source_names[i];
  return found;
}

std::vector<std::uint32_t> rows_sharing_units(const Dataset& data, const Dataset& other) {
  std::vector<std::string_view> keys(other.unit_keys.begin(), other.unit_keys.end());
  std::sort(keys.begin(), keys.end());
  std::vector<bool> shared(data.unit_keys.size());
  for (std::size_t unit = 0; unit < shared.size(); ++unit)
    shared[unit] = std::binary_search(keys.begin(), keys.end(), std::string_view(data.unit_keys[unit]));
  std::vector<std::uint32_t> rows;
  for (std::uint32_t row = 0; row < data.size(); ++row)
    if (shared[data.units[row]]) rows.push_back(row);
  return rows;
}

}  // namespace smidgen
