// What smidgen fine-tunes, for Python to read, and what Python fine-tuned, read here. exchange_test.py runs both with
// SMIDGEN_EXCHANGE=FOLDER; alone they skip.
//
//   FOLDER/texts.txt                  one text a line
//   FOLDER/start                      an encoder (sentence-transformers folder)
//   FOLDER/ours, ours/expected.*      written here: the tuned encoder with head.safetensors, and what it says
//   FOLDER/theirs, theirs/expected.*  the same from Python
// expected.safetensors: embeddings (texts, dimensions), logits (texts, labels).
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "smidgen/learn/fine_tune.h"
#include "smidgen/model/encoder.h"

namespace smidgen {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kLabels = 3;

class Exchange : public testing::Test {
 protected:
  void SetUp() override {
    const char* folder = std::getenv("SMIDGEN_EXCHANGE");
    if (folder == nullptr) GTEST_SKIP() << "tests/exchange_test.py sets SMIDGEN_EXCHANGE";
    folder_ = folder;
    std::ifstream file(folder_ + "/texts.txt");
    for (std::string line; std::getline(file, line);) texts_.push_back(line);
    ASSERT_GE(texts_.size(), 4U);
  }

  std::vector<float> embeddings(const Encoder& encoder) const {
    std::vector<float> out(texts_.size() * encoder.dimensions());
    Encoder::Scratch scratch;
    for (std::size_t i = 0; i < texts_.size(); ++i)
      encoder.embed_text(texts_[i], scratch, &out[i * encoder.dimensions()]);
    return out;
  }
  std::vector<float> logits(const SoftmaxHead& head, const std::vector<float>& x) const {
    std::vector<float> out;
    for (std::size_t i = 0; i < texts_.size(); ++i)
      for (std::size_t label = 0; label < head.labels; ++label) {
        double sum = static_cast<double>(head.bias[label]);
        for (std::size_t d = 0; d < head.dimensions; ++d)
          sum += static_cast<double>(head.weights[label * head.dimensions + d]) *
                 static_cast<double>(x[i * head.dimensions + d]);
        out.push_back(static_cast<float>(sum));
      }
    return out;
  }

  std::string folder_;
  std::vector<std::string> texts_;
};

TEST_F(Exchange, WritesATunedEncoder) {
  const auto start = Encoder::load(folder_ + "/start");
  ASSERT_TRUE(start.ok()) << start.error().message();
  ThreadPool pool(2);
  auto trainable = TrainableEncoder::load(folder_ + "/start", Precision::kF32, kernels(), pool);
  ASSERT_TRUE(trainable.ok()) << trainable.error().message();
  TokenRows rows;
  for (std::size_t i = 0; i < texts_.size(); ++i) {
    rows.ids.emplace_back();
    start->tokenizer().encode(texts_[i], start->tokens_max(), rows.ids.back());
    rows.labels.push_back(static_cast<std::uint32_t>(i % kLabels));
  }
  SoftmaxHead head{kLabels, start->dimensions(), std::vector<float>(kLabels * start->dimensions()),
                   std::vector<float>(kLabels)};
  FineTuneOptions options;
  options.rate = 1e-3;
  options.batch_rows = 4;
  ASSERT_TRUE(fine_tune(*trainable, head, rows, options, {}).ok());
  const std::string ours = folder_ + "/ours";
  fs::create_directories(ours);
  ASSERT_TRUE(start->save(ours).ok());
  ASSERT_TRUE(trainable->save_weights(ours + "/" + trainable->config().body_prefix + "model.safetensors").ok());
  ASSERT_TRUE(head.save(ours + "/head.safetensors").ok());
  const auto tuned = Encoder::load(ours);
  ASSERT_TRUE(tuned.ok()) << tuned.error().message();
  const std::vector<float> before = embeddings(*start), x = embeddings(*tuned), y = logits(head, x);
  EXPECT_NE(before, x);
  ASSERT_TRUE(write_safetensors(ours + "/expected.safetensors",
                                {{"embeddings", DType::kF32, {texts_.size(), head.dimensions}, as_bytes(x)},
                                 {"logits", DType::kF32, {texts_.size(), kLabels}, as_bytes(y)}})
                  .ok());
}

TEST_F(Exchange, ReadsWhatPythonTuned) {
  const std::string theirs = folder_ + "/theirs";
  if (!fs::exists(theirs)) GTEST_SKIP() << "Python has not been here";
  const auto encoder = Encoder::load(theirs);
  ASSERT_TRUE(encoder.ok()) << encoder.error().message();
  const auto head = SoftmaxHead::load(theirs + "/head.safetensors", kLabels, encoder->dimensions());
  ASSERT_TRUE(head.ok()) << head.error().message();
  const auto expected = Safetensors::open(theirs + "/expected.safetensors");
  ASSERT_TRUE(expected.ok());
  const std::vector<float> x = embeddings(*encoder), y = logits(*head, x);
  const auto wanted_x = expected->floats("embeddings", {texts_.size(), encoder->dimensions()});
  const auto wanted_y = expected->floats("logits", {texts_.size(), kLabels});
  ASSERT_TRUE(wanted_x.ok() && wanted_y.ok());
  for (std::size_t i = 0; i < x.size(); ++i) ASSERT_NEAR(x[i], (*wanted_x)[i], 1e-4) << "embedding " << i;
  for (std::size_t i = 0; i < y.size(); ++i) ASSERT_NEAR(y[i], (*wanted_y)[i], 1e-4) << "logit " << i;
}

}  // namespace
}  // namespace smidgen
