#include "smidgen/learn/split.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>
#include <utility>

#include "smidgen/base/random.h"
#include "smidgen/learn/time_order.h"

namespace smidgen {
namespace {

using Rows = std::vector<std::uint32_t>;

// `units` texts named by number, `copies` rows each, labels l0..l(labels-1) in turn.
std::string csv_of(std::size_t units, std::size_t labels, std::size_t copies = 1, std::size_t from = 0) {
  std::string csv = "text,label\n";
  for (std::size_t copy = 0; copy < copies; ++copy)
    for (std::size_t unit = from; unit < from + units; ++unit)
      csv += "text " + std::to_string(unit) + ",l" + std::to_string(unit % labels) + "\n";
  return csv;
}

Dataset dataset_of(const std::string& csv, const ReadOptions& options = {}) {
  auto data = Dataset::from_memory(csv, "f.csv", options);
  EXPECT_TRUE(data.ok()) << data.error().message();
  return data.ok() ? std::move(*data) : Dataset{};
}

Split split_of(const Dataset& data, const SplitOptions& options = {}) {
  auto split = make_split(data, options);
  EXPECT_TRUE(split.ok()) << split.error().message();
  return split.ok() ? std::move(*split) : Split{};
}

std::set<std::string> keys_of(const Dataset& data, const Rows& rows) {
  std::set<std::string> keys;
  for (const std::uint32_t row : rows) keys.insert(data.unit_keys[data.units[row]]);
  return keys;
}

bool disjoint(const std::set<std::string>& a, const std::set<std::string>& b) {
  return std::none_of(a.begin(), a.end(), [&](const std::string& key) { return b.contains(key); });
}

TEST(Split, OnlyPeoplesLabelsCertify) {
  // 300 rows of people, 700 of a model; 40 texts stand in both, and the label l3 is the model's alone.
  std::string csv = "text,label,by\n";
  for (int i = 0; i < 700; ++i) csv += "text " + std::to_string(i) + ",l" + std::to_string(i % 4) + ",gpt-4o\n";
  for (int i = 660; i < 960; ++i) csv += "text " + std::to_string(i) + ",l" + std::to_string(i % 3) + ",human\n";
  ReadOptions options;
  options.source_column = "by";
  const Dataset data = dataset_of(csv, options);
  const Split split = split_of(data);
  EXPECT_EQ(split.certify.size(), split.units_certify);
  EXPECT_NEAR(static_cast<double>(split.certify.size()), 0.4 * 300, 30);
  for (const std::uint32_t row : split.certify) EXPECT_GE(row, 700U);
  EXPECT_EQ(split.fit.size() + split.tune.size() + split.certify.size() + split.rows_unused, data.size());
  const auto fit = keys_of(data, split.fit), tune = keys_of(data, split.tune), certify = keys_of(data, split.certify);
  EXPECT_TRUE(disjoint(fit, certify) && disjoint(tune, certify) && disjoint(fit, tune));
  EXPECT_EQ(fit.size(), split.units_fit);
  EXPECT_GT(split.rows_unused, 0U);  // a model's rows of units that certify
  EXPECT_EQ(split.labels_too_few, (Rows{3}));
  // A model's rows do not move what people's certify on.
  const Dataset people = select_rows(data, label_sources(data).human_rows);
  EXPECT_EQ(split_of(people).id, split.id);
  // Nothing certified: all rows are equal.
  SplitOptions elsewhere;
  elsewhere.certify_elsewhere = true;
  const Split all = split_of(data, elsewhere);
  EXPECT_EQ(all.fit.size() + all.tune.size(), data.size());
}

// A model may have labelled, after `plan` chose it, a text that people labelled at random: the unit is barred all the
// same, and the other units of people stand where they would without it.
TEST(Split, AModelsChosenRowBarsItsUnitFromCertifying) {
  std::string csv = "text,label,by,sampled\n";
  for (int i = 0; i < 300; ++i) csv += "text " + std::to_string(i) + ",l" + std::to_string(i % 2) + ",human,random\n";
  for (int i = 0; i < 300; i += 3)
    csv += "text " + std::to_string(i) + ",l" + std::to_string(i % 2) + ",gpt-4o,chosen\n";
  csv += "the model's alone,l0,gpt-4o,chosen\n";
  ReadOptions options;
  options.source_column = "by";
  const Dataset data = dataset_of(csv, options);
  const Split split = split_of(data);
  EXPECT_EQ(split.units_chosen, 101U);
  ASSERT_FALSE(split.certify.empty());
  for (const Rows& part : {split.certify, split.tune})
    for (const std::uint32_t row : part) EXPECT_NE(row % 3, 0U) << row;
  Rows random;
  for (std::uint32_t row = 0; row < 300; ++row)
    if (row % 3 != 0) random.push_back(row);
  EXPECT_EQ(split.id, split_of(select_rows(data, random)).id);
}

TEST(Split, RefusesTimesWhereModelsLabelledBesidePeople) {
  const auto csv_by = [](const char* even) {
    std::string csv = "text,label,by,t\n";
    for (int i = 0; i < 100; ++i)
      csv += "text " + std::to_string(i) + ",l" + std::to_string(i / 2 % 2) + "," + (i % 2 == 0 ? even : "gpt-4o") +
             "," + std::to_string(i) + "\n";
    return csv;
  };
  ReadOptions read;
  read.source_column = "by";
  read.time_column = "t";
  const auto refused = make_split(dataset_of(csv_by("human"), read), {});
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().kind(), ErrorKind::kUsage);
  EXPECT_EQ(refused.error().message(),
            "f.csv: --time does not go with rows that models labelled beside rows that people labelled; leave the "
            "models' rows out, or certify on newer rows that people labelled with --test FILE");
  EXPECT_TRUE(make_split(dataset_of(csv_by("human"), read), {.certify_elsewhere = true}).ok());
  EXPECT_TRUE(make_split(dataset_of(csv_by("gpt-4o"), read), {}).ok()) << "one teacher's labels are split by time";
}

// A group whose one row was chosen would go to fit with all its random rows: choosing would decide who certifies.
TEST(Split, RefusesChosenRowsWithGroupsOrTimes) {
  std::string csv = "text,label,third,sampled\n";
  for (int i = 0; i < 100; ++i)
    csv += "text " + std::to_string(i) + ",l" + std::to_string(i % 2) + "," + std::to_string(i / 2) +
           (i % 10 == 0 ? ",chosen\n" : ",random\n");
  ReadOptions group, time;
  group.group_column = "third";
  time.time_column = "third";
  for (const auto& [read, name] : {std::pair(group, "--group"), std::pair(time, "--time")}) {
    const auto refused = make_split(dataset_of(csv, read), {});
    ASSERT_FALSE(refused.ok()) << name;
    EXPECT_EQ(refused.error().kind(), ErrorKind::kUsage);
    EXPECT_EQ(refused.error().message(),
              std::string("f.csv: ") + name +
                  " does not go with rows sampled as \"chosen\"; leave those out, or certify on random rows with "
                  "--test FILE");
    EXPECT_TRUE(make_split(dataset_of(csv, read), {.certify_elsewhere = true}).ok());
  }
  EXPECT_TRUE(make_split(dataset_of(csv), {}).ok());
}

TEST(SplitShares, FollowTheProtocol) {
  EXPECT_DOUBLE_EQ(default_split_shares(100).certify, 0.4);
  EXPECT_DOUBLE_EQ(default_split_shares(1000).certify, 0.4);
  EXPECT_DOUBLE_EQ(default_split_shares(1600).certify, 0.25);
  EXPECT_DOUBLE_EQ(default_split_shares(2000).certify, 0.2);
  EXPECT_DOUBLE_EQ(default_split_shares(1000000).certify, 0.2);
  EXPECT_DOUBLE_EQ(default_split_shares(2000).tune, 0.15 * 0.8);
  for (std::size_t n = 1; n < 5000; ++n)
    ASSERT_LE(default_split_shares(n + 1).certify, default_split_shares(n).certify) << "only falls as rows are added";
}

TEST(SplitShares, ParseWhatIsMeant) {
  EXPECT_DOUBLE_EQ(parse_split_shares("70/10/20")->certify, 0.2);
  EXPECT_DOUBLE_EQ(parse_split_shares("0.7/0.3/0")->fit, 0.7);
  for (const char* bad :
       {"", "70/30", "70/10/20/0", "a/b/c", "0/80/20", "80/0/20", "-10/90/20", "nan/1/1", "70 /10/20", "70/10/20%"})
    EXPECT_EQ(parse_split_shares(bad).error().message(),
              std::string(bad) + " is not FIT/TUNE/CERTIFY; write percentages that add up to 100, such as 70/10/20");
  EXPECT_EQ(parse_split_shares("70/20/20").error().message(),
            "70/20/20 adds up to 110, not to 100 (or 1); write percentages that add up to 100, such as 70/10/20");
}

TEST(Split, ChosenRowsAreNeverCertifiedOrTunedOn) {
  std::string csv = "text,label,sampled\n";
  for (std::size_t unit = 0; unit < 900; ++unit)
    csv +=
        "text " + std::to_string(unit) + ",l" + std::to_string(unit % 3) + (unit % 3 == 0 ? ",chosen\n" : ",random\n");
  csv += "text 1,l1,chosen\n";  // the unit of a random row
  const Dataset data = dataset_of(csv);
  const Split split = split_of(data);
  EXPECT_EQ(split.units_chosen, 301U);
  for (const Rows& part : {split.tune, split.certify})
    for (const std::uint32_t row : part) EXPECT_TRUE(data.units[row] % 3 != 0 && data.units[row] != 1) << row;
  EXPECT_EQ(split.units_fit + split.units_tune + split.units_certify, 900U);
  // Shares are of the units that may certify, and the random units stand where they would without the chosen ones.
  EXPECT_DOUBLE_EQ(split.shares.certify, default_split_shares(599).certify);
  Rows random;
  for (std::uint32_t row = 0; row < 900; ++row)
    if (row % 3 != 0 && row != 1) random.push_back(row);
  const Dataset alone = select_rows(data, random);
  EXPECT_EQ(keys_of(data, split.certify), keys_of(alone, split_of(alone).certify));
}

TEST(Split, WithoutCertificationChosenRowsMayTune) {
  std::string csv = "text,label,sampled\n";
  for (std::size_t unit = 0; unit < 12; ++unit)
    csv += "text " + std::to_string(unit) + ",l" + std::to_string(unit % 2) + ",chosen\n";
  SplitOptions options;
  options.certify_elsewhere = true;
  EXPECT_EQ(split_of(dataset_of(csv), options).tune.size(), 2U);
  for (std::size_t unit = 12; unit < 32; ++unit)
    csv += "text " + std::to_string(unit) + ",l" + std::to_string(unit % 2) + ",\n";
  for (const std::uint32_t row : split_of(dataset_of(csv), options).tune) EXPECT_GE(row, 12U);
  csv = "text,label,sampled\n";
  for (std::size_t unit = 0; unit < 40; ++unit)
    csv += "text " + std::to_string(unit) + ",l" + std::to_string(unit % 2) + ",chosen\n";
  const auto none = make_split(dataset_of(csv), {});
  ASSERT_FALSE(none.ok());
  EXPECT_EQ(
      none.error().message(),
      "f.csv: no text is left to certify on; rows sampled as \"chosen\" are only trained on: label more that were "
      "drawn at random");
}

TEST(Split, CoversEveryUnitOnceAndKeepsTheShares) {
  const Dataset data = dataset_of(csv_of(6000, 7, 3));
  const Split split = split_of(data);
  const auto fit = keys_of(data, split.fit), tune = keys_of(data, split.tune), certify = keys_of(data, split.certify);
  EXPECT_TRUE(disjoint(fit, tune) && disjoint(fit, certify) && disjoint(tune, certify));
  EXPECT_EQ(fit.size() + tune.size() + certify.size(), 6000U);
  EXPECT_EQ(split.units_fit, fit.size());
  EXPECT_EQ(split.units_tune, tune.size());
  EXPECT_EQ(split.units_certify, certify.size());
  EXPECT_EQ(split.fit.size(), 3 * fit.size()) << "fit and tune keep all rows of a unit";
  EXPECT_EQ(split.tune.size(), 3 * tune.size());
  EXPECT_EQ(split.certify.size(), certify.size()) << "certify counts one row a unit";
  EXPECT_EQ(split.rows_unused, 2 * certify.size());
  EXPECT_NEAR(static_cast<double>(certify.size()), 0.2 * 6000, 4 * std::sqrt(6000 * 0.2 * 0.8));
  EXPECT_EQ(tune.size(), static_cast<std::size_t>(std::llround(0.15 * static_cast<double>(6000 - certify.size()))));
  for (const Rows& rows : {split.fit, split.tune, split.certify}) EXPECT_TRUE(std::is_sorted(rows.begin(), rows.end()));
  EXPECT_TRUE(split.labels_too_few.empty());
  EXPECT_TRUE(split.labels_not_certified.empty());
  EXPECT_EQ(split.salt, "smidgen-1");
}

TEST(Split, SeedsMoveNothingInOrOutOfCertify) {
  const Dataset data = dataset_of(csv_of(800, 4, 2));
  const Split first = split_of(data);
  bool tune_moved = false;
  for (std::uint64_t seed = 1; seed < 20; ++seed) {
    const Split split = split_of(data, {.seed = seed});
    EXPECT_EQ(split.certify, first.certify);
    EXPECT_EQ(split.id, first.id);
    tune_moved |= split.tune != first.tune;
  }
  EXPECT_TRUE(tune_moved);
  const Split other = split_of(data, {.salt = "smidgen-2"});
  EXPECT_NE(other.certify, first.certify);
  EXPECT_NE(other.id, first.id);
}

TEST(Split, IsTheSameOnEveryMachine) {  // a change here breaks every certificate written before
  EXPECT_EQ(unit_hash("smidgen-1", "certify", "key"), 0xfde26bce8cd3462fULL);
}

TEST(Split, AddingRowsMovesNoUnitIntoCertify) {
  for (const std::size_t units : {60, 500, 1100, 3000}) {
    const Dataset small = dataset_of(csv_of(units, 5));
    const Split before = split_of(small);
    auto trained = keys_of(small, before.fit);
    trained.merge(keys_of(small, before.tune));
    for (const std::size_t more : {units + 1, 2 * units, 7 * units}) {
      // New rows before the old ones, new copies of old rows, and a new label.
      const Dataset large =
          dataset_of(csv_of(more - units, 5, 1, units) + csv_of(units, 5, 2).substr(11) + "new text,brand new\n");
      EXPECT_TRUE(disjoint(trained, keys_of(large, split_of(large).certify))) << units << " -> " << more;
    }
  }
}

TEST(Split, HashIsEvenOverUnits) {
  std::vector<int> bins(16);
  constexpr int kUnits = 32000;
  for (int unit = 0; unit < kUnits; ++unit) ++bins[unit_hash("s", "certify", std::to_string(unit)) >> 60];
  double chi_square = 0;
  for (const int count : bins) chi_square += std::pow(count - kUnits / 16.0, 2) / (kUnits / 16.0);
  EXPECT_LT(chi_square, 37.7) << "0.1 % of the chi-square distribution with 15 degrees of freedom";
  EXPECT_NE(unit_hash("a", "b", "c"), unit_hash("ab", "", "c"));
}

TEST(Split, LabelsWithFewUnitsGoWhollyToFit) {
  std::string csv = csv_of(200, 2);
  for (int row = 0; row < 20; ++row) csv += "rare " + std::to_string(row % 4) + ",rare\n";
  csv += "text 3,rare\n";  // a fifth unit, shared with l1
  for (int row = 0; row < 4; ++row) csv += "seldom " + std::to_string(row) + ",seldom\n";
  csv += "text 8,l1\n";
  const Dataset data = dataset_of(csv);
  const Split split = split_of(data);
  ASSERT_EQ(split.labels_too_few.size(), 1U);
  EXPECT_EQ(data.label_names[split.labels_too_few[0]], "seldom");
  const auto part_of = [&](std::uint32_t row) {
    return std::binary_search(split.fit.begin(), split.fit.end(), row)     ? 0
           : std::binary_search(split.tune.begin(), split.tune.end(), row) ? 1
                                                                           : 2;
  };
  for (std::uint32_t row = 0; row < data.size(); ++row) {
    if (data.label_names[data.labels[row]] == "seldom") {
      EXPECT_EQ(part_of(row), 0);
    }
    if (data.texts[row] == "text 8") {
      EXPECT_EQ(part_of(row), part_of(8)) << "two labels, still one unit";
    }
  }
}

// A group certifies by its hash alone, whatever rare labels some of its rows have: large groups have one more often.
TEST(Split, RareLabelsDoNotDecideWhichUnitsCertify) {
  std::string csv = "text,label,g\n", common = csv;
  for (int group = 0; group < 300; ++group) {
    const std::string g = std::to_string(group);
    for (int copy = 0; copy < 2; ++copy)
      (copy == 0 ? csv : common) += "a " + g + ",l" + std::to_string(group % 2) + "," + g + "\n";
    if (group % 3 == 0) csv += "b " + g + ",rare " + g + "," + g + "\n";
    if (group % 3 == 1) csv += "b " + g + ",l" + std::to_string(group % 2) + "," + g + "\n";
  }
  ReadOptions options;
  options.group_column = "g";
  const Dataset data = dataset_of(csv, options), without = dataset_of(common, options);
  const Split split = split_of(data);
  EXPECT_EQ(keys_of(data, split.certify), keys_of(without, split_of(without).certify));
  std::size_t mixed = 0;
  std::set<std::string> unlearned;
  for (const std::uint32_t row : split.certify) {
    EXPECT_LT(data.label_names[data.labels[row]].size(), 3U) << "no rare label counts";
    mixed += std::stoi(data.unit_keys[data.units[row]]) % 3 == 0 ? 1 : 0;
  }
  EXPECT_GT(mixed, 20U);
  EXPECT_EQ(split.labels_too_few.size(), 100U);
  EXPECT_EQ(split.labels_not_learned.size(), mixed) << "each stands in one group";
  for (const Rows& part : {split.fit, split.tune})
    EXPECT_TRUE(disjoint(keys_of(data, part), keys_of(data, split.certify)));
}

TEST(Split, ByTimeTheNewestRowOfAUnitCounts) {
  std::string csv = "text,label,g,t\n";
  for (int month = 0; month < 10; ++month)
    for (int group = 0; group < 100; ++group)
      csv += "t" + std::to_string(month) + ",l" + std::to_string(month % 2) + "," + std::to_string(group) + "," +
             std::to_string(100 * month + group) + "\n";
  csv += "late,rare,50,2000\n";
  ReadOptions options;
  options.group_column = "g";
  options.time_column = "t";
  const Dataset data = dataset_of(csv, options);
  const Split split = split_of(data);
  EXPECT_EQ(split.units_certify, 40U);
  for (const std::uint32_t row : split.certify) EXPECT_GE(std::stoi(data.times[row]), 960);
  for (const Rows& part : {split.fit, split.tune})
    for (const std::uint32_t row : part)
      EXPECT_TRUE(data.texts[row] == "late" || std::stoi(data.times[row]) < 960) << row;
}

TEST(Split, EveryLabelCanBeLearned) {
  for (std::size_t salt = 0; salt < 60; ++salt) {
    const Dataset data = dataset_of(csv_of(100, 20));  // 5 units a label
    const Split split = split_of(data, {.salt = std::to_string(salt)});
    std::set<std::uint32_t> learned;
    for (const std::uint32_t row : split.fit) learned.insert(data.labels[row]);
    EXPECT_EQ(learned.size(), 20U);
    for (const std::uint32_t label : split.labels_too_few)
      EXPECT_TRUE(std::binary_search(split.labels_not_certified.begin(), split.labels_not_certified.end(), label));
  }
}

TEST(Split, TheRowThatCountsIsEvenAmongTheUnitsRows) {
  const Dataset data = dataset_of(csv_of(3000, 3, 4));
  const Rows rows = one_row_per_unit(data, "salt");
  ASSERT_EQ(rows.size(), 3000U);
  std::vector<int> copies(4);
  for (const std::uint32_t row : rows) ++copies[row / 3000];
  for (const int count : copies) EXPECT_NEAR(count, 750, 4 * std::sqrt(3000 * 0.25 * 0.75));
}

TEST(Split, ByTimeTakesTheNewestUnits) {
  std::string csv = "text,label,g,t\n";
  for (int row = 0; row < 400; ++row)
    csv += "t,l" + std::to_string(row % 2) + ",g" + std::to_string(row % 200) + "," +
           std::to_string(row / 200 == 0 ? row : row - 200) + "\n";
  ReadOptions options;
  options.group_column = "g";
  options.time_column = "t";
  const Dataset data = dataset_of(csv, options);
  const Split split = split_of(data);
  EXPECT_TRUE(split.by_time);
  EXPECT_EQ(split.units_certify, 80U);
  for (const std::uint32_t row : split.certify) EXPECT_GE(std::stoi(data.times[row]), 120);
  for (const std::uint32_t row : split.fit) EXPECT_LT(std::stoi(data.times[row]), 120);
}

TEST(Split, EqualTimesAreOrderedByHash) {
  std::string csv = "text,label,t\n";
  for (int row = 0; row < 100; ++row)
    csv += "t" + std::to_string(row) + ",l" + std::to_string(row % 2) + ",2024-05-01\n";
  ReadOptions options;
  options.time_column = "t";
  const Dataset data = dataset_of(csv, options);
  const Split split = split_of(data);
  EXPECT_EQ(split.units_certify, 40U);
  EXPECT_GT(split.certify.front(), 0U);
  EXPECT_LT(split.certify.front(), 30U);
  EXPECT_GT(split.certify.back(), 70U);
}

TEST(Split, SharesCanBeGiven) {
  const Dataset data = dataset_of(csv_of(2000, 4));
  const Split split = split_of(data, {.shares = *parse_split_shares("50/25/25")});
  EXPECT_NEAR(static_cast<double>(split.units_certify), 500, 80);
  EXPECT_NEAR(static_cast<double>(split.units_tune), static_cast<double>(2000 - split.units_certify) / 3, 1);
  const Split elsewhere = split_of(data, {.certify_elsewhere = true});
  EXPECT_TRUE(elsewhere.certify.empty());
  EXPECT_EQ(elsewhere.units_tune, 300U);
  EXPECT_EQ(elsewhere.units_fit, 1700U);
}

TEST(Split, SaysHowManyAreNeeded) {
  EXPECT_EQ(make_split(dataset_of(csv_of(19, 2, 5)), {}).error().message(),
            "f.csv: only 19 distinct texts; at least 20 are needed to fit, tune and certify on different ones");
  EXPECT_TRUE(make_split(dataset_of(csv_of(20, 2)), {}).ok());
  EXPECT_EQ(make_split(dataset_of(csv_of(40, 10)), {}).error().message(),
            "f.csv: no text is left to certify on; label more rows: a label with fewer than 5 distinct texts is only "
            "trained on");
  EXPECT_EQ(make_split(dataset_of(csv_of(40, 10)), {.certify_elsewhere = true}).error().message(),
            "f.csv: no text is left to tune on; label more rows: a label with fewer than 5 distinct texts is only "
            "trained on");
}

TEST(TimeOrder, ReadsIsoTimes) {
  EXPECT_EQ(parse_iso_time("1970-01-01"), 0);
  EXPECT_EQ(parse_iso_time("1970-01"), 0);
  EXPECT_EQ(parse_iso_time("1970-01-02T00:00:01.5Z"), 86401500000LL);
  EXPECT_EQ(parse_iso_time("1970-01-01 02:00:00+02:00"), 0);
  EXPECT_EQ(parse_iso_time("1969-12-31T22:30-0130"), 0);
  EXPECT_EQ(parse_iso_time("2024-02-29T12:00:00.123456789Z"), 1709208000123456LL);
  for (const char* bad : {"", "1970", "1970-13-01", "2023-02-29", "1970-01-01T", "1970-01-01T25:00", "1970-01-01x",
                          "01/02/2024", "1970-01-01T00:00:00+", "1970-1-1", "0000-01-01", "1970-01T00:00"})
    EXPECT_FALSE(parse_iso_time(bad)) << bad;
}

Result<std::vector<std::int64_t>> ordered(const std::vector<std::string>& times) {
  Dataset data;
  data.path = "f.csv";
  data.times = times;
  for (std::size_t row = 0; row < times.size(); ++row) data.lines.push_back(row + 2);
  return order_times(data);
}

TEST(TimeOrder, ComparesNumbersAndDatesButNeverAMix) {
  const auto rising = [](const std::vector<std::string>& times) {
    const auto order = ordered(times);
    return order.ok() && std::is_sorted(order->begin(), order->end()) &&
           std::adjacent_find(order->begin(), order->end()) == order->end();
  };
  EXPECT_TRUE(rising({"-5", " 9 ", "10", "9007199254740993", "9007199254740994"}));
  EXPECT_TRUE(rising({"-1e3", "-2.5", "-0.5", "0", "1e-9", "9", "10.5", "1e300"}));
  EXPECT_TRUE(rising({"2023-12", "2024-01-02", "2024-01-02T10:00:00+05:00", "2024-01-02T06:00Z"}));
  EXPECT_EQ(ordered({"-0.0", "0.5"})->at(0), ordered({"0.0", "0.5"})->at(0));
  const std::string hint = "; write every time as YYYY-MM-DD or YYYY-MM-DDThh:mm:ss, or every one as a number";
  EXPECT_EQ(ordered({"2024-01-01", "9/1/2024"}).error().message(),
            "f.csv:3: the time \"9/1/2024\" is not an ISO 8601 date" + hint);
  EXPECT_EQ(ordered({"2024-01-01", "17"}).error().message(), "f.csv:3: the time \"17\" is not an ISO 8601 date" + hint);
  EXPECT_EQ(ordered({"17", "18", "2024-01-01"}).error().message(),
            "f.csv:4: the time \"2024-01-01\" is not a number, as the first one is" + hint);
  EXPECT_EQ(ordered({"1", "nan"}).error().message(),
            "f.csv:3: the time \"nan\" is not a number, as the first one is" + hint);
}

TEST(Folds, KeepUnitsWholeAndLabelsEven) {
  const Dataset data = dataset_of(csv_of(503, 7));
  Rows rows(data.size());
  std::iota(rows.begin(), rows.end(), 0U);
  const auto folds = assign_folds(data, rows, 5, 1);
  std::vector<std::vector<int>> counts(5, std::vector<int>(7));
  std::vector<int> sizes(5);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    ++counts[folds[i]][data.labels[rows[i]]];
    ++sizes[folds[i]];
  }
  for (int label = 0; label < 7; ++label) {
    int low = 1000, high = 0;
    for (const auto& fold : counts) {
      low = std::min(low, fold[static_cast<std::size_t>(label)]);
      high = std::max(high, fold[static_cast<std::size_t>(label)]);
    }
    EXPECT_LE(high - low, 1) << "one row a unit: each label is dealt round";
  }
  EXPECT_LE(*std::max_element(sizes.begin(), sizes.end()) - *std::min_element(sizes.begin(), sizes.end()), 3);
  EXPECT_EQ(assign_folds(data, rows, 5, 1), folds);
  EXPECT_NE(assign_folds(data, rows, 5, 2), folds);
}

TEST(Folds, GroupsStayTogether) {
  Random random(4);
  std::string csv = "text,label,g\n";
  for (int row = 0; row < 1000; ++row)
    csv += "t" + std::to_string(row) + ",l" + std::to_string(random.below(3)) + ",g" +
           std::to_string(random.below(80) * random.below(80) / 40) + "\n";
  ReadOptions options;
  options.group_column = "g";
  const Dataset data = dataset_of(csv, options);
  Rows rows;
  for (std::uint32_t row = 0; row < data.size(); row += 1 + static_cast<std::uint32_t>(random.below(2)))
    rows.push_back(row);
  const auto folds = assign_folds(data, rows, 4, 9);
  std::vector<int> fold_of(data.unit_keys.size(), -1);
  std::vector<std::size_t> sizes(4);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    int& known = fold_of[data.units[rows[i]]];
    EXPECT_TRUE(known == -1 || known == folds[i]);
    known = folds[i];
    ++sizes[folds[i]];
  }
  for (const std::size_t size : sizes)
    EXPECT_NEAR(static_cast<double>(size), static_cast<double>(rows.size()) / 4,
                0.05 * static_cast<double>(rows.size()));
}

}  // namespace
}  // namespace smidgen
