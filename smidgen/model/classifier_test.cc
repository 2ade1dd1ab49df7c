#include "smidgen/model/classifier.h"

#include <gtest/gtest.h>

#include "smidgen/model/fake_rung.h"
#include "smidgen/text/spelling_samples.h"

namespace smidgen {
namespace {

Bundle three_rungs() {
  Bundle bundle;
  bundle.info.task = "classification";
  bundle.info.labels = {"a", "b", "c", "d"};
  bundle.info.rungs = {{"linear", RungKind::kLinear, "linear", 0},
                       {"static", RungKind::kStatic, "static", 8},
                       {"encoder", RungKind::kEncoder, "encoder", 8}};
  bundle.info.policy.stages = {
      {{0.9F}, {}, 0.97}, {{0.4F, 0.8F}, {}, 0.95}, {{0.3F, 0.1F, 1.0F}, {0, 0.5F, 0, 0}, 0.8}};
  for (const BundleRung& rung : bundle.info.rungs)
    bundle.rungs.push_back(std::make_unique<FakeRung>(rung.kind, rung.name, 4));
  return bundle;
}

std::vector<std::string> many_texts() {
  std::vector<std::string> texts;
  for (int i = 0; i < 300; ++i) texts.push_back(std::string(static_cast<std::size_t>(i % 50), 'x') + std::to_string(i));
  return texts;
}

TEST(ClassifierTest, AnswersAreThePolicyOnAllScores) {
  const Classifier classifier = Classifier::of(three_rungs());
  const std::vector<std::string> owned = many_texts();
  const std::vector<std::string_view> texts(owned.begin(), owned.end());
  auto session = classifier.session();
  std::vector<float> scores;
  session.score_all(texts, scores);
  ASSERT_EQ(scores.size(), texts.size() * 12);
  const auto answers = session.classify(texts);
  ASSERT_EQ(answers.size(), texts.size());
  std::vector<int> left_at(3);
  int escalated = 0;
  for (std::size_t row = 0; row < texts.size(); ++row) {
    std::vector<float> probabilities(4);
    const Decision want =
        classifier.bundle().info.policy.decide(std::span<const float>(scores).subspan(row * 12, 12), probabilities);
    const Answer& got = answers[row];
    EXPECT_EQ(got.decision.label, want.label);
    EXPECT_EQ(got.decision.stage, want.stage);
    EXPECT_EQ(got.decision.confidence, want.confidence);
    EXPECT_EQ(got.decision.escalated, want.escalated);
    EXPECT_EQ(got.label, classifier.bundle().info.labels[want.label]);
    EXPECT_EQ(got.rung, classifier.bundle().info.rungs[want.stage].name);
    EXPECT_EQ(std::vector<float>(got.probabilities.begin(), got.probabilities.end()), probabilities);
    ++left_at[want.stage];
    escalated += want.escalated;
  }
  for (const int rows : left_at) EXPECT_GT(rows, 10) << "the test must see every way out";
  EXPECT_GT(escalated, 10);
}

TEST(ClassifierTest, AnAnswerDoesNotDependOnItsNeighbours) {
  const Classifier classifier = Classifier::of(three_rungs());
  const std::vector<std::string> owned = many_texts();
  const std::vector<std::string_view> texts(owned.begin(), owned.end());
  auto together = classifier.session(), alone = classifier.session();
  const auto answers = together.classify(texts);
  for (std::size_t row = 0; row < texts.size(); row += 7) {
    const auto one = alone.classify(std::span(texts).subspan(row, 1));
    EXPECT_EQ(one[0].decision.confidence, answers[row].decision.confidence);
    EXPECT_EQ(one[0].label, answers[row].label);
  }
  EXPECT_TRUE(alone.classify({}).empty());
}

TEST(ClassifierTest, ATextWithTyposIsAnsweredAsTheCleanOne) {
  Bundle bundle = three_rungs();
  auto speller = Speller::create(sample_parts({{"my", 90}, {"card", 50}, {"is", 80}, {"lost", 9}}));
  ASSERT_TRUE(speller.ok());
  bundle.info.speller = std::make_shared<const Speller>(std::move(*speller));
  const Classifier with = Classifier::of(std::move(bundle)), without = Classifier::of(three_rungs());
  const std::vector<std::string_view> clean = {"my card is lost", "My card", "card"},
                                      typed = {"my crad is lsot", "My cardd", "crd"};
  auto session = with.session(), plain = without.session();
  std::vector<float> of_typed, of_clean;
  session.score_all(typed, of_typed);
  plain.score_all(clean, of_clean);
  EXPECT_EQ(of_typed, of_clean);
  plain.score_all(typed, of_typed);
  EXPECT_NE(of_typed, of_clean) << "the test must see a difference";
  const auto answers = session.classify(typed);
  const auto wanted = plain.classify(clean);
  for (std::size_t row = 0; row < clean.size(); ++row) {
    EXPECT_EQ(answers[row].label, wanted[row].label);
    EXPECT_EQ(answers[row].decision.confidence, wanted[row].decision.confidence);
    auto alone = with.session();  // and whatever stands beside it
    EXPECT_EQ(alone.classify({&typed[row], 1})[0].decision.confidence, wanted[row].decision.confidence);
  }
}

TEST(ClassifierTest, CountsCutRows) {
  const Classifier classifier = Classifier::of(three_rungs());
  auto session = classifier.session();
  const std::vector<std::string_view> texts = {"short", "a text of more than forty bytes, which the rung cuts"};
  session.classify(texts);
  EXPECT_EQ(session.rows_cut(), 1U);
}

}  // namespace
}  // namespace smidgen
