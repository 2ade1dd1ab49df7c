#include "smidgen/model/zero_shot.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>

#include "smidgen/model/classifier.h"
#include "smidgen/model/encoder.h"

namespace smidgen {
namespace {

namespace fs = std::filesystem;

const std::string kEncoder = std::string(SMIDGEN_SOURCE_DIR) + "/tests/golden/tiny_bert";

double cosine(const Encoder& encoder, std::string_view a, std::string_view b) {
  Encoder::Scratch scratch;
  std::vector<float> x(encoder.dimensions()), y(encoder.dimensions());
  encoder.embed_text(a, scratch, x.data());
  encoder.embed_text(b, scratch, y.data());
  double xy = 0, xx = 0, yy = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    xy += double{x[i]} * y[i];
    xx += double{x[i]} * x[i];
    yy += double{y[i]} * y[i];
  }
  return xy / std::sqrt(xx * yy);
}

// Confidences are the softmax of 20 cosines, whether the folder normalises or not.
TEST(ZeroShot, AnswersByTheCosineToThePrompts) {
  const fs::path plain = fs::path(testing::TempDir()) / ("smidgen_zero_shot_" + std::to_string(getpid()));
  fs::remove_all(plain);
  fs::copy(kEncoder, plain, fs::copy_options::recursive);
  fs::remove(plain / "modules.json");  // mean pooling without normalisation
  ZeroShotOptions options;
  options.labels = {"good_refund", "bad", "zebra"};
  options.label_template = "the {}!";
  for (const std::string& folder : {kEncoder, plain.string()}) {
    auto bundle = zero_shot_bundle(folder, options);
    ASSERT_TRUE(bundle.ok()) << bundle.error().message();
    EXPECT_TRUE(bundle->info.policy.validate(3).ok());
    EXPECT_FALSE(bundle->certificate);
    const Classifier classifier = Classifier::of(*std::move(bundle));
    const auto encoder = Encoder::load(folder);
    auto session = classifier.session();
    for (const std::string_view text : {"good refund", "a zebra", "bad bad cab", "x"}) {
      const Answer answer = session.classify({&text, 1}).front();
      std::vector<double> logits, wanted;
      double sum = 0;
      for (const char* prompt : {"the good refund!", "the bad!", "the zebra!"}) {
        logits.push_back(std::exp(20 * cosine(*encoder, text, prompt)));
        sum += logits.back();
      }
      for (std::size_t i = 0; i < 3; ++i) EXPECT_NEAR(answer.probabilities[i], logits[i] / sum, 1e-4) << text;
      EXPECT_FALSE(answer.decision.escalated);
    }
  }
  fs::remove_all(plain);
}

TEST(ZeroShot, RefusesLabelsAndTemplatesThatCannotWork) {
  const auto refusal = [](std::vector<std::string> labels, const char* text) {
    ZeroShotOptions options;
    options.labels = std::move(labels);
    options.label_template = text;
    const auto bundle = zero_shot_bundle(kEncoder, options);
    return bundle.ok() ? "accepted" : bundle.error().message();
  };
  EXPECT_EQ(refusal({"a", "b"}, "{}"), "accepted");
  EXPECT_EQ(refusal({"a"}, "{}"), "the number of labels is 1, not in 2..10000");
  EXPECT_EQ(refusal({"a", "b", "a"}, "{}"), "the label \"a\" is there twice");
  EXPECT_EQ(refusal({"a", ""}, "{}"), "a label is empty");
  EXPECT_NE(refusal({"a", "b"}, "about").find("the template \"about\" must have {} once; put {} where"),
            std::string::npos);
  EXPECT_NE(refusal({"a", "b"}, "{} and {}").find("must have {} once"), std::string::npos);
  EXPECT_EQ(refusal({"a_b", "a b"}, "{}"), "the label \"a b\" is there twice (\"_\" is read as a space)");
  // 32 tokens are read: a template that fills them would give every label the same vector.
  EXPECT_EQ(refusal({"good", "bad"}, (std::string(60, '.') + "{}").c_str()),
            "the template with the label \"good\" has more than the 32 tokens this encoder reads; shorten it");
}

}  // namespace
}  // namespace smidgen
