#include "smidgen/app/encoder_speed.h"

#include <gtest/gtest.h>

namespace smidgen {
namespace {

BodyConfig mini_lm() {
  BodyConfig body;
  body.hidden = 384;
  body.layers = 6;
  body.heads = 12;
  body.intermediate = 1536;
  return body;
}

TEST(EncoderSpeed, CountsOperationsAndBytes) {
  // 10,616,832 weights in the linear layers; attention adds 4 t^2 h a layer.
  const double linear = 10616832;
  EXPECT_EQ(operations_of(mini_lm(), 16), 2 * 16 * linear + 6 * 4 * 16 * 16 * 384.0);
  EXPECT_NEAR(weight_bytes_of(mini_lm(), Precision::kF32), 4 * linear, 0.01 * linear);
  EXPECT_NEAR(weight_bytes_of(mini_lm(), Precision::kInt8), linear, 0.01 * linear);
  BodyConfig gated = mini_lm();
  gated.architecture = Architecture::kModernBert;
  gated.spans.assign(6, {});
  EXPECT_EQ(operations_of(gated, 16) - operations_of(mini_lm(), 16), 2 * 16 * 6 * 384.0 * 1536);
  gated.spans.assign(6, {.window = 4, .theta = 1e4});  // each token sees 9
  EXPECT_EQ(operations_of(gated, 16), 2 * 16 * 6 * (4 * 384.0 * 384 + 3 * 384.0 * 1536) + 6 * 4 * 16 * 9 * 384.0);
}

TEST(EncoderSpeed, MeasuresEveryPrecisionAndThread) {
  for (const Precision precision : {Precision::kF32, Precision::kBf16, Precision::kInt8}) {
    const auto encoder =
        Encoder::load_body(std::string(SMIDGEN_SOURCE_DIR) + "/tests/golden/tiny_bert", {.precision = precision});
    ASSERT_TRUE(encoder.ok()) << encoder.error().message();
    const MachineLimits limits{1, 1};
    for (const auto& [threads, together] : {std::pair<std::size_t, bool>{1, false}, {3, false}, {3, true}}) {
      const auto cell = measure_speed(*encoder, {8, 2, threads, together, 0.01}, limits, {});
      ASSERT_TRUE(cell.ok());
      EXPECT_EQ(cell->precision, precision);
      EXPECT_EQ(cell->threads, threads);
      EXPECT_EQ(cell->together, together);
      EXPECT_GE(cell->calls, 20 * (together ? 1 : threads));
      EXPECT_GT(cell->ms_p50, 0);
      EXPECT_LE(cell->ms_p50, cell->ms_p99);
      const double calls_per_second = cell->rows_per_second / 2;
      EXPECT_GT(calls_per_second, 0);
      const BodyConfig& body = encoder->config().body;
      EXPECT_NEAR(cell->share_of_arithmetic, 1e-9 * operations_of(body, 8) * cell->rows_per_second, 1e-9);
      EXPECT_NEAR(cell->share_of_bandwidth, 1e-9 * weight_bytes_of(body, precision) * calls_per_second, 1e-9);
    }
    Watcher stopped;
    stopped.cancelled = [] { return true; };
    EXPECT_EQ(measure_speed(*encoder, {8, 1, 2, false, 10}, limits, stopped).error().exit_code(), 130);
  }
}

TEST(EncoderSpeed, MeasuresTheMachine) {
  for (const Precision precision : {Precision::kF32, Precision::kBf16, Precision::kInt8})
    EXPECT_GT(measure_arithmetic(kernels(), precision, 1), 0.1);
}

}  // namespace
}  // namespace smidgen
