// A plan end to end on the tiny encoder; and, where the default encoder and data are present, whether the estimate's
// interval holds what more labels then bring.
#include "smidgen/learn/plan_labels.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <numeric>
#include <optional>
#include <set>

#include "smidgen/base/file.h"
#include "smidgen/base/random.h"
#include "smidgen/learn/embeddings.h"
#include "smidgen/learn/split.h"

namespace smidgen {
namespace {

using Rows = std::vector<std::uint32_t>;

const std::string kTiny = std::string(SMIDGEN_SOURCE_DIR) + "/tests/golden/tiny_bert";

std::vector<std::string> open_texts(std::size_t count) {
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < count; ++i)
    texts.push_back(std::string(i % 2 == 0 ? "good " : "bad ") + "text " + std::to_string(i));
  return texts;
}

Dataset labelled_rows(std::size_t count, const char* sampled = "random") {
  std::string csv = "text,label,sampled\n";
  for (std::size_t i = 0; i < count; ++i)
    csv += (i % 2 == 0 ? "good thing " : "bad thing ") + std::to_string(i) + (i % 2 == 0 ? ",plus," : ",minus,") +
           sampled + "\n";
  return *Dataset::from_memory(csv, "l.csv", {});
}

class PlanLabelsTest : public testing::Test {
 protected:
  Result<LabelPlan> plan(const Dataset* labelled, const std::vector<std::string>& texts,
                         const PlanRequest& request = {}) {
    return plan_labels(labelled, texts, encoder_, request, pool_, {});
  }
  Encoder encoder_ = *Encoder::load(kTiny);
  ThreadPool pool_{2};
};

TEST_F(PlanLabelsTest, StartsFromNothing) {
  std::vector<std::string> texts = open_texts(120);
  texts.push_back("GOOD  text 0");  // the unit of the first
  texts.push_back("   ");
  const auto found = plan(nullptr, texts, {.rows = 20});
  ASSERT_TRUE(found.ok()) << found.error().message();
  EXPECT_EQ(found->open, 120U);
  EXPECT_EQ(found->method, "typical");
  EXPECT_FALSE(found->now || found->then);
  ASSERT_EQ(found->rows.size(), 20U);
  std::set<std::uint32_t> distinct;
  std::size_t random = 0;
  for (std::size_t i = 0; i < 20; ++i) {
    const PlannedRow& row = found->rows[i];
    EXPECT_LT(row.row, 120U);
    distinct.insert(row.row);
    random += row.chosen ? 0 : 1;
    EXPECT_EQ(row.reason.substr(0, 7), row.chosen ? "typical" : "random");
    EXPECT_EQ(random, (i + 1) / 4) << "random rows are spread evenly";
  }
  EXPECT_EQ(distinct.size(), 20U);
  const auto again = plan(nullptr, texts, {.rows = 20});
  for (std::size_t i = 0; i < 20; ++i) EXPECT_EQ(found->rows[i].row, again->rows[i].row);
}

TEST_F(PlanLabelsTest, LeavesOutWhatIsLabelledAndEstimates) {
  const Dataset labelled = labelled_rows(80);
  std::vector<std::string> texts = open_texts(60);
  texts.insert(texts.end(), labelled.texts.begin(), labelled.texts.end());
  const auto found = plan(&labelled, texts, {.rows = 40});
  ASSERT_TRUE(found.ok()) << found.error().message();
  EXPECT_EQ(found->open, 60U);
  EXPECT_EQ(found->labelled, 80U);
  EXPECT_EQ(found->method, "uncertain");
  for (const PlannedRow& row : found->rows) EXPECT_LT(row.row, 60U);
  for (const PlannedRow& row : found->rows)
    EXPECT_EQ(row.reason.substr(0, 8), row.chosen ? "unsure: " : "random") << row.reason;
  ASSERT_TRUE(found->now && found->then);
  const Split split = *make_split(labelled, {.seed = 1});
  EXPECT_EQ(found->now->rows, static_cast<double>(80 - split.certify.size()));
  EXPECT_EQ(found->then->rows, found->now->rows + 30 + 6) << "of ten more random rows four will certify";
  EXPECT_GE(found->then->accuracy.value, found->now->accuracy.value - 1e-12);
  EXPECT_GT(found->now->accuracy.value, 0.8) << "two words tell the labels apart";
}

TEST_F(PlanLabelsTest, SaysWhenItCannotEstimate) {
  const Dataset few = labelled_rows(10), chosen = labelled_rows(80, "chosen");
  const auto from_few = plan(&few, open_texts(50), {.rows = 5});
  ASSERT_TRUE(from_few.ok());
  EXPECT_EQ(from_few->method, "typical");
  ASSERT_EQ(from_few->notes.size(), 1U);
  EXPECT_EQ(
      from_few->notes[0],
      "No estimate: it takes 40 labelled rows drawn at random that `pick` would not certify on, and there are 0.");
  const auto from_chosen = plan(&chosen, open_texts(50), {.rows = 5});
  ASSERT_TRUE(from_chosen.ok());
  EXPECT_FALSE(from_chosen->now);
  EXPECT_EQ(from_chosen->method, "uncertain") << "chosen rows never certify, so all of them are learned from";
  ASSERT_EQ(from_chosen->notes.size(), 2U);
  EXPECT_NE(from_chosen->notes[0].find("were not chosen by this `plan`, but among the texts it keeps for random rows"),
            std::string::npos);
  EXPECT_EQ(from_chosen->notes[1], from_few->notes[0]);
}

// Whoever chooses takes every hard row it can; the random rows must not notice.
// Six labels of one text: whatever is fitted has nothing to be judged by.
TEST_F(PlanLabelsTest, LearnsNothingFromOneText) {
  std::string csv = "text,label,sampled\n";
  for (int row = 0; row < 6; ++row) csv += std::string("good thing,") + (row % 2 == 0 ? "plus" : "minus") + ",chosen\n";
  csv += "bad thing,minus,random\n";
  const Dataset labelled = *Dataset::from_memory(csv, "l.csv", {});
  const auto found = plan(&labelled, open_texts(40), {.rows = 8});
  ASSERT_TRUE(found.ok()) << found.error().message();
  EXPECT_EQ(found->method, "typical");
  EXPECT_EQ(found->rows.size(), 8U);
  EXPECT_FALSE(found->now || found->then);
}

TEST_F(PlanLabelsTest, RandomRowsOfEveryRoundAreThoseOfThePoolWhateverIsChosen) {
  const auto hard = [](const std::string& text) { return text.find("hard") != std::string::npos; };
  std::vector<std::string> texts;
  for (int i = 0; i < 400; ++i) texts.push_back((i % 4 == 0 ? "hard text " : "easy text ") + std::to_string(i));
  const auto random_of = [](const LabelPlan& plan) {
    Rows rows;
    for (const PlannedRow& row : plan.rows)
      if (!row.chosen) rows.push_back(row.row);
    return rows;
  };
  const auto at_once = plan(nullptr, texts, {.rows = 400});
  ASSERT_TRUE(at_once.ok()) << at_once.error().message();
  const Rows reserve = random_of(*at_once);
  ASSERT_NEAR(static_cast<double>(reserve.size()), 100, 4 * std::sqrt(400 * 0.25 * 0.75));
  const auto head = "text,label,sampled\n";
  std::string labelled;
  Rows drawn;
  for (std::uint64_t round = 0; round < 4; ++round) {
    std::optional<Dataset> known;
    if (round > 0) known = *Dataset::from_memory(head + labelled, "l.csv", {});
    // Everything there is, in some order: the first random ones are labelled, and of the others the hard ones.
    const auto found = plan(known ? &*known : nullptr, texts, {.rows = 400, .seed = round});
    ASSERT_TRUE(found.ok()) << found.error().message();
    const Rows random = random_of(*found);
    for (std::size_t i = 0; i < std::min<std::size_t>(15, random.size()); ++i) {
      drawn.push_back(random[i]);
      labelled += texts[random[i]] + (random[i] % 2 == 0 ? ",even" : ",odd") + ",random\n";
    }
    std::size_t chosen = 0;
    for (const PlannedRow& row : found->rows)
      if (row.chosen && hard(texts[row.row]) && ++chosen <= 25)
        labelled += texts[row.row] + (row.row % 8 == 0 ? ",even" : ",odd") + ",chosen\n";
  }
  ASSERT_EQ(drawn.size(), 60U);
  EXPECT_EQ(drawn, Rows(reserve.begin(), reserve.begin() + 60)) << "as if nothing had ever been chosen";
  const auto hard_ones = std::count_if(drawn.begin(), drawn.end(), [&](std::uint32_t row) { return hard(texts[row]); });
  EXPECT_NEAR(static_cast<double>(hard_ones), 15, 2 * std::sqrt(60 * 0.25 * 0.75));
}

TEST_F(PlanLabelsTest, SaysWhenRandomRowsRunOut) {
  const auto found = plan(nullptr, open_texts(200), {.rows = 200, .random_share = 1});
  ASSERT_TRUE(found.ok()) << found.error().message();
  const std::size_t random = found->rows.size();
  EXPECT_NEAR(static_cast<double>(random), 50, 4 * std::sqrt(200 * 0.25 * 0.75));
  for (const PlannedRow& row : found->rows) EXPECT_FALSE(row.chosen);
  ASSERT_EQ(found->notes.size(), 1U);
  EXPECT_EQ(found->notes[0], "Only " + std::to_string(random) +
                                 " of 200 random rows: a fixed quarter of the texts is kept for them, and no more of "
                                 "it is unlabelled; more unlabelled texts bring more.");
}

// A teacher that is sure of nothing makes a head that is not, for the choice of rows and for the estimate.
TEST_F(PlanLabelsTest, FitsWhatATeacherSays) {
  Dataset data = labelled_rows(80);
  const std::vector<std::string_view> texts(data.texts.begin(), data.texts.end());
  const EmbeddingMatrix x = *embed_all(encoder_, texts, pool_, {});
  const HeadTrainer heads = *HeadTrainer::create(x.values, x.dimensions, data.labels, 2, pool_);
  const auto surest = [&] {
    const CurvePoints points = *measure_curve(heads, data, 64, 1, {});
    return *std::max_element(points.confidence.back().begin(), points.confidence.back().end());
  };
  EXPECT_GT(surest(), 0.8F);
  for (const std::uint32_t label : data.labels)
    data.soft.add_row(std::vector<SoftLabel>{{label, 0.6F}, {1 - label, 0.4F}});
  EXPECT_LT(surest(), 0.75F);
  const auto found = plan(&data, open_texts(60), {.rows = 40});
  ASSERT_TRUE(found.ok()) << found.error().message();
  for (const PlannedRow& row : found->rows) {  // "unsure: plus 0.61, minus 0.39"
    if (!row.chosen) continue;
    EXPECT_LT(std::stod(row.reason.substr(row.reason.find("0."))), 0.75) << row.reason;
  }
}

// Labels of rows that `pick` would certify on must have no say in the plan.
TEST_F(PlanLabelsTest, RowsThatWillCertifyHaveNoSay) {
  std::string csv = "text,label,sampled\n", turned = csv;
  const Dataset all = labelled_rows(160);
  const Split split = *make_split(all, {.seed = 1});
  ASSERT_GT(split.certify.size(), 40U);
  for (std::uint32_t row = 0; row < all.size(); ++row) {
    const bool certifies = std::binary_search(split.certify.begin(), split.certify.end(), row);
    csv += all.texts[row] + (all.labels[row] == 0 ? ",minus" : ",plus") + ",random\n";
    turned += all.texts[row] + ((all.labels[row] == 0) != certifies ? ",minus" : ",plus") + ",random\n";
  }
  const Dataset one = *Dataset::from_memory(csv, "l.csv", {}), other = *Dataset::from_memory(turned, "l.csv", {});
  ASSERT_EQ(make_split(other, {.seed = 1})->certify, split.certify);
  const auto a = plan(&one, open_texts(100), {.rows = 40}), b = plan(&other, open_texts(100), {.rows = 40});
  ASSERT_TRUE(a.ok() && b.ok());
  EXPECT_EQ(a->method, "uncertain");
  ASSERT_EQ(a->rows.size(), b->rows.size());
  for (std::size_t i = 0; i < a->rows.size(); ++i) {
    EXPECT_EQ(a->rows[i].row, b->rows[i].row);
    EXPECT_EQ(a->rows[i].reason, b->rows[i].reason);
  }
  ASSERT_TRUE(a->now && b->now);
  EXPECT_EQ(a->now->rows, static_cast<double>(split.fit.size() + split.tune.size()));
  EXPECT_EQ(a->now->accuracy.value, b->now->accuracy.value);
  EXPECT_EQ(a->then->coverage.interval.low, b->then->coverage.interval.low);
}

// A label that is too rare to certify may grow: whether one more row makes it common changes nothing.
TEST_F(PlanLabelsTest, ALabelIsRareOrNotForAllTheSame) {
  std::string csv = "text,label,sampled\n";
  const Dataset all = labelled_rows(160);
  for (std::uint32_t row = 0; row < all.size(); ++row)
    csv += all.texts[row] + (all.labels[row] == 0 ? ",minus" : ",plus") + ",random\n";
  std::string rare, common;
  std::size_t learned = 0;
  bool turned = false;
  for (int i = 0; i < 7; ++i) {
    const std::string text = "case " + std::to_string(i);
    const bool certifies = below_certify_share(unit_key(text), default_split_shares(167));
    learned += certifies ? 0 : 1;
    // Five of the label in one file and four in the other, which differ in a row that certifies.
    const bool of_label = i < 4 || (certifies && !turned);
    rare += text + (i < 4 ? ",rare,random\n" : ",minus,random\n");
    common += text + (of_label ? ",rare,random\n" : ",minus,random\n");
    turned = turned || (i >= 4 && certifies);
  }
  ASSERT_TRUE(turned);
  const Dataset four = *Dataset::from_memory(csv + rare + "three,rare,chosen\n", "l.csv", {}),
                five = *Dataset::from_memory(csv + common + "three,rare,chosen\n", "l.csv", {});
  const auto a = plan(&four, open_texts(100), {.rows = 40}), b = plan(&five, open_texts(100), {.rows = 40});
  ASSERT_TRUE(a.ok() && b.ok() && a->now && b->now);
  EXPECT_EQ(a->now->rows, b->now->rows);
  EXPECT_GT(learned, 0U);
  for (std::size_t i = 0; i < a->rows.size(); ++i) EXPECT_EQ(a->rows[i].row, b->rows[i].row);
}

TEST_F(PlanLabelsTest, TakesWhatThereIs) {
  const auto all = plan(nullptr, open_texts(7), {.rows = 100});
  ASSERT_TRUE(all.ok());
  EXPECT_EQ(all->rows.size(), 6U) << "the reserve has one of these, and two random rows are due";
  EXPECT_EQ(all->notes[0].substr(0, 28), "Only 1 of 2 random rows: a f");
  const auto capped = plan(nullptr, open_texts(90), {.rows = 10, .pool_max = 30});
  ASSERT_TRUE(capped.ok());
  EXPECT_EQ(capped->notes[0], "Of 67 texts that may be chosen 30 were looked at, drawn at random.");
  const Dataset labelled = labelled_rows(30);
  const auto nothing = plan(&labelled, labelled.texts);
  ASSERT_FALSE(nothing.ok());
  EXPECT_EQ(nothing.error().message(), "no text that is not labelled already; give a file of rows without labels");
}

TEST_F(PlanLabelsTest, StopsWhenAsked) {
  Watcher watcher;
  watcher.cancelled = [] { return true; };
  const auto stopped = plan_labels(nullptr, open_texts(50), encoder_, {}, pool_, watcher);
  ASSERT_FALSE(stopped.ok());
  EXPECT_EQ(stopped.error().kind(), ErrorKind::kCancelled);
}

// Draws n rows, estimates the accuracy with twice as many, labels as many more at random, and looks.
TEST(PlanEstimate, ItsIntervalHoldsWhatComesTrueOnRealRows) {
  const std::string model = cache_directory() + "/models/all-MiniLM-L6-v2";
  const char* folder = std::getenv("SMIDGEN_DATA");
  const std::string path = std::string(folder == nullptr ? "" : folder) + "/trec6/train.csv";
  if (folder == nullptr || !std::filesystem::exists(path) || !std::filesystem::exists(model))
    GTEST_SKIP() << "needs trec6/train.csv (text,label) below SMIDGEN_DATA, and `smidgen pull all-minilm-l6-v2`";
  Dataset data = *Dataset::load(path, {});
  Rows order(data.size());
  std::iota(order.begin(), order.end(), 0U);
  Random(1).shuffle(std::span(order));
  order.resize(2400);
  data = select_rows(data, order);
  ThreadPool pool(2);
  const Encoder encoder = *Encoder::load(model);
  const std::vector<std::string_view> texts(data.texts.begin(), data.texts.end());
  const EmbeddingMatrix all = *embed_all(encoder, texts, pool, {});
  const HeadTrainer heads =
      *HeadTrainer::create(all.values, all.dimensions, data.labels, data.label_names.size(), pool);
  std::size_t held = 0;
  double width = 0;
  constexpr std::size_t kTrials = 10, kRows = 200;
  for (std::uint64_t trial = 0; trial < kTrials; ++trial) {
    Rows shuffled(data.size());
    std::iota(shuffled.begin(), shuffled.end(), 0U);
    Random(trial).shuffle(std::span(shuffled));
    const Rows first(shuffled.begin(), shuffled.begin() + kRows), twice(shuffled.begin(), shuffled.begin() + 2 * kRows);
    const Rows rest(shuffled.begin() + 2 * kRows, shuffled.end());
    const Dataset part = select_rows(data, first);
    std::vector<float> values;
    for (const std::uint32_t row : first) values.insert(values.end(), all.row(row).begin(), all.row(row).end());
    const HeadTrainer of_part =
        *HeadTrainer::create(values, all.dimensions, part.labels, data.label_names.size(), pool);
    const CurvePoints points = *measure_curve(of_part, part, 4, trial, {});
    const std::vector<double> ask = {2 * kRows};
    const CurveForecast found = forecast(points, ask, {.seed = trial})[0];
    const HeadFit fit = *heads.fit(twice, 4, {});
    std::vector<float> scores(rest.size() * heads.labels());
    heads.score(fit, rest, scores);
    std::size_t right = 0;
    for (std::size_t i = 0; i < rest.size(); ++i) {
      const auto at = scores.begin() + static_cast<std::ptrdiff_t>(i * heads.labels());
      right += static_cast<std::uint32_t>(std::max_element(at, at + static_cast<std::ptrdiff_t>(heads.labels())) -
                                          at) == data.labels[rest[i]]
                   ? 1
                   : 0;
    }
    const double truth = static_cast<double>(right) / static_cast<double>(rest.size());
    const Interval& interval = found.accuracy.interval;
    held += interval.low <= truth && truth <= interval.high ? 1 : 0;
    width += (interval.high - interval.low) / kTrials;
    RecordProperty("trial" + std::to_string(trial),
                   std::to_string(interval.low) + " " + std::to_string(truth) + " " + std::to_string(interval.high));
  }
  EXPECT_GE(held, 8U) << "of 10";
  EXPECT_LT(width, 0.25);
}

}  // namespace
}  // namespace smidgen
