// The kernels of training: the plain ones against finite differences of the forward pass, every other table against the
// plain one over odd lengths and misaligned pointers.
#include "smidgen/tensor/training_kernels.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "smidgen/base/random.h"

namespace smidgen {
namespace {

using Floats = std::vector<float>;

Floats normal(Random& random, std::size_t n, double scale = 1) {
  Floats x(n);
  for (float& value : x) value = static_cast<float>(random.normal() * scale);
  return x;
}

// The derivative of sum(weights * f(x)) by central differences against `claimed`.
void expect_gradient(const Floats& x, const Floats& weights, const Floats& claimed,
                     const std::function<Floats(const Floats&)>& f) {
  ASSERT_EQ(x.size(), claimed.size());
  const auto loss = [&](const Floats& at) {
    const Floats y = f(at);
    double sum = 0;
    for (std::size_t i = 0; i < y.size(); ++i) sum += static_cast<double>(y[i]) * weights[i];
    return sum;
  };
  for (std::size_t i = 0; i < x.size(); ++i) {
    Floats up = x, down = x;
    up[i] += 4e-3F;
    down[i] -= 4e-3F;
    const double slope = (loss(up) - loss(down)) / (static_cast<double>(up[i]) - down[i]);
    ASSERT_NEAR(claimed[i], slope, 1e-3 * std::max(1.0, std::fabs(slope))) << "at " << i;
  }
}

TEST(TrainingKernels, GeluBackwardIsTheDerivative) {
  Random random(1);
  const Floats x = normal(random, 40, 2), d_y = normal(random, 40);
  Floats d_x(40);
  kScalarTrainingKernels.gelu_backward(x.data(), d_y.data(), 40, d_x.data());
  expect_gradient(x, d_y, d_x, [](Floats at) {
    kScalarKernels.gelu(at.data(), at.size());
    return at;
  });
}

TEST(TrainingKernels, LayerNormBackwardIsTheDerivative) {
  Random random(2);
  const std::size_t rows = 3, n = 7;
  const Floats x = normal(random, rows * n), gain = normal(random, n), bias = normal(random, n);
  const Floats d_y = normal(random, rows * n);
  const float epsilon = 1e-5F;
  Floats d_x(rows * n), d_gain(n), d_bias(n);
  kScalarTrainingKernels.layer_norm_backward(x.data(), d_y.data(), rows, n, gain.data(), epsilon, d_x.data(),
                                             d_gain.data(), d_bias.data());
  const auto norm = [&](const Floats& at, const Floats& g, const Floats& b) {
    Floats y(rows * n);
    kScalarKernels.layer_norm(at.data(), rows, n, g.data(), b.data(), epsilon, y.data());
    return y;
  };
  expect_gradient(x, d_y, d_x, [&](const Floats& at) { return norm(at, gain, bias); });
  expect_gradient(gain, d_y, d_gain, [&](const Floats& at) { return norm(x, at, bias); });
  expect_gradient(bias, d_y, d_bias, [&](const Floats& at) { return norm(x, gain, at); });
}

struct AttentionRun {
  Floats out, d_qkv;
};
struct AttentionShape {
  std::size_t t, heads, head_dim;
};
template <class T>
AttentionStepOf<T> attention_step(const AttentionShape& shape, const Dropout& dropout, Floats& workspace) {
  workspace.resize(training_workspace(shape.t, shape.head_dim));
  AttentionStepOf<T> step;
  step.t = shape.t;
  step.heads = shape.heads;
  step.head_dim = shape.head_dim;
  step.qkv_stride = 3 * shape.heads * shape.head_dim;
  step.out_stride = shape.heads * shape.head_dim;
  step.scale = 1.0F / std::sqrt(static_cast<float>(shape.head_dim));
  step.dropout = dropout;
  step.workspace = workspace.data();
  return step;
}
AttentionRun run_attention(const TrainingKernels& table, const Floats& qkv, const Floats& d_out,
                           const AttentionShape& shape, const Dropout& dropout) {
  AttentionRun run{Floats(d_out.size()), Floats(qkv.size())};
  Floats workspace;
  AttentionStep step = attention_step<float>(shape, dropout, workspace);
  step.qkv = qkv.data();
  step.out = run.out.data();
  table.attention(step);
  step.d_out = d_out.data();
  step.d_qkv = run.d_qkv.data();
  table.attention_backward(step);
  return run;
}

TEST(TrainingKernels, AttentionWithoutDropoutIsThatOfInference) {
  Random random(3);
  const std::size_t t = 5, heads = 2, head_dim = 3;
  const Floats qkv = normal(random, t * 3 * heads * head_dim), d_out(t * heads * head_dim, 0.0F);
  Floats wanted(t * heads * head_dim), workspace(attention_workspace(t, head_dim));
  kScalarKernels.attention(
      {qkv.data(), t, heads, head_dim, heads * head_dim, 1.0F / std::sqrt(3.0F), wanted.data(), workspace.data()});
  const AttentionRun run = run_attention(kScalarTrainingKernels, qkv, d_out, {t, heads, head_dim}, {});
  for (std::size_t i = 0; i < wanted.size(); ++i) EXPECT_NEAR(run.out[i], wanted[i], 1e-6);
}

TEST(TrainingKernels, AttentionBackwardIsTheDerivative) {
  Random random(4);
  const std::size_t t = 4, heads = 2, head_dim = 3;
  const Floats qkv = normal(random, t * 3 * heads * head_dim), d_out = normal(random, t * heads * head_dim);
  for (const Dropout& dropout : {Dropout{}, Dropout{99, 0x40000000U, 4.0F / 3}}) {
    const AttentionRun run = run_attention(kScalarTrainingKernels, qkv, d_out, {t, heads, head_dim}, dropout);
    expect_gradient(qkv, d_out, run.d_qkv, [&](const Floats& at) {
      return run_attention(kScalarTrainingKernels, at, d_out, {t, heads, head_dim}, dropout).out;
    });
  }
}

TEST(TrainingKernels, DropoutKeepsTheShareItSays) {
  Floats x(100000, 1.0F);
  const Dropout tenth{7, 429496730U, 1 / 0.9F};
  kScalarTrainingKernels.dropout(tenth, 0, x.data(), x.size(), x.data());
  double kept = 0;
  for (const float value : x) kept += value > 0 ? 1 : 0;
  EXPECT_NEAR(kept / 100000, 0.9, 0.005);
  Floats tail(1000, 1.0F);  // the mask belongs to the index, not to the call
  kScalarTrainingKernels.dropout(tenth, 500, tail.data(), tail.size(), tail.data());
  for (std::size_t i = 0; i < tail.size(); ++i) ASSERT_EQ(tail[i], x[500 + i]);
}

TEST(TrainingKernels, AdamFollowsThePublishedSteps) {
  // Two steps by hand: gradient 0.5, then -1, rate 0.1, decay 0.01.
  float w = 1, first = 0, second = 0;
  AdamStep step;
  step.rate = 0.1F;
  step.decay = 0.01F;
  double m = 0, v = 0, wanted = 1;
  for (int i = 1; i <= 2; ++i) {
    const float g = i == 1 ? 0.5F : -1.0F;
    step.correction1 = static_cast<float>(1 / (1 - std::pow(0.9, i)));
    step.correction2 = static_cast<float>(1 / (1 - std::pow(0.999, i)));
    kScalarTrainingKernels.adam(step, &g, 1, &w, &first, &second);
    m = 0.9 * m + 0.1 * g;
    v = 0.999 * v + 0.001 * g * g;
    wanted -= 0.1 * (m / (1 - std::pow(0.9, i)) / (std::sqrt(v / (1 - std::pow(0.999, i))) + 1e-8) + 0.01 * wanted);
    EXPECT_NEAR(w, wanted, 1e-5);
  }
}

class TrainingKernelTest : public testing::TestWithParam<const Kernels*> {
 protected:
  const TrainingKernels& fast() const { return training_kernels(*GetParam()); }
  Random random{11};
};
INSTANTIATE_TEST_SUITE_P(Isa, TrainingKernelTest, testing::ValuesIn(available_kernels()),
                         [](const auto& tested) { return std::string(tested.param->name); });

void expect_close(const Floats& got, const Floats& wanted, double tolerance, const std::string& what) {
  ASSERT_EQ(got.size(), wanted.size());
  for (std::size_t i = 0; i < got.size(); ++i)
    ASSERT_NEAR(got[i], wanted[i], tolerance * std::max(1.0, std::fabs(double{wanted[i]}))) << what << " at " << i;
}

TEST_P(TrainingKernelTest, RowsEqualThePlainOnes) {
  for (const std::size_t n : {0U, 1U, 7U, 16U, 31U, 32U, 130U, 385U}) {
    const std::size_t rows = 3, all = rows * n + 1;  // + 1: the second half starts at an odd address
    const Floats x = normal(random, all, 2), d_y = normal(random, all), gain = normal(random, n);
    const auto run = [&](const TrainingKernels& table) {
      Floats out(all), d_gain(n, 0.5F), d_bias(n, 0.25F), sum(n, 1.0F);
      table.gelu_backward(x.data() + 1, d_y.data() + 1, rows * n, out.data());
      Floats norm = d_y;
      if (n > 0)
        table.layer_norm_backward(x.data() + 1, norm.data() + 1, rows, n, gain.data(), 1e-6F, norm.data() + 1,
                                  d_gain.data(), d_bias.data());
      table.add_rows(x.data() + 1, n, rows, n, sum.data());
      Floats dropped = x, w = x, first = d_y, second(all, 0.5F);
      table.dropout({5, 0x30000000U, 1.25F}, 3, x.data() + 1, rows * n, dropped.data() + 1);
      Floats joined = x;
      table.dropout_add({6, 0x30000000U, 1.25F}, 3, d_y.data() + 1, joined.data() + 1, rows * n);
      Floats turned(n * (rows + 2) + 1);
      table.transpose(x.data() + 1, n, rows, n, turned.data() + 1, rows + 2);
      AdamStep step{0.5F, 0.01F, 0.1F, 0.9F, 0.999F, 1e-8F, 2.0F, 3.0F};
      table.adam(step, d_y.data(), all, w.data(), first.data(), second.data());
      for (const Floats& part : {norm, d_gain, d_bias, sum, dropped, joined, turned, w, first, second})
        out.insert(out.end(), part.begin(), part.end());
      out.push_back(static_cast<float>(table.sum_of_squares(x.data(), all)));
      return out;
    };
    expect_close(run(fast()), run(kScalarTrainingKernels), 2e-5, "n " + std::to_string(n));
  }
}

using Halves = std::vector<std::uint16_t>;

Halves to_halves(const Floats& x) {
  Halves out(x.size());
  kScalarTrainingKernels.low_dropout({}, 0, x.data(), 1, x.size(), out.data(), x.size());
  return out;
}
Floats to_floats(const Halves& x) {
  Floats out(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    const std::uint32_t bits = static_cast<std::uint32_t>(x[i]) << 16;
    std::memcpy(&out[i], &bits, sizeof(bits));
  }
  return out;
}

TEST(TrainingKernels, RoundingIsToNearestEven) {
  const Floats x = {1.0F, 1.00390625F, 1.01171875F, -3.1415926F};  // 1 + 2^-8 and 1 + 3 2^-8 lie between two bf16
  EXPECT_EQ(to_floats(to_halves(x)), (Floats{1.0F, 1.0F, 1.015625F, -3.140625F}));
}

TEST_P(TrainingKernelTest, Bf16FormsEqualThePlainOnesToTheBit) {
  const std::size_t shapes[][2] = {{1, 1}, {2, 16}, {31, 33}, {32, 32}, {64, 48}, {77, 5}, {5, 77}};
  for (const auto& [k, n] : shapes) {
    const std::size_t stride = std::max(k, n) + 3, panel = low_panel_halves(k) + 64;
    const std::size_t panels = padded_to(n, kLowPairColumns) / kLowPanelColumns * panel;
    const std::size_t turned = bf16_row_bytes(k) / 2 + 32;
    const Floats x = normal(random, stride * std::max(k, n) + 1);
    const Halves low = to_halves(x);
    const auto run = [&](const TrainingKernels& table) {
      Halves out(3 * panels + n * turned + k * (n + 1) + 1, 77);
      std::uint16_t* to = out.data();
      table.pack_rows(x.data() + 1, stride, k, n, to, panel);
      table.pack_transposed(x.data() + 1, stride, k, n, to + panels, panel);
      table.low_pack_rows(low.data() + 1, stride, k, n, to + 2 * panels, panel);
      table.low_transpose(low.data() + 1, stride, k, n, to + 3 * panels, turned);
      table.low_dropout({5, 0x30000000U, 1.25F}, 3, x.data() + 1, k, n, to + 3 * panels + n * turned, n + 1);
      return out;
    };
    const Halves got = run(fast());
    EXPECT_EQ(got, run(kScalarTrainingKernels)) << k << " x " << n;
    EXPECT_EQ(got.back(), 77);
    for (std::size_t i = 0; i < panels; ++i) ASSERT_EQ(got[i], got[2 * panels + i]);
  }
}

TEST_P(TrainingKernelTest, Bf16RowsEqualThePlainOnes) {
  for (const std::size_t n : {0U, 1U, 7U, 16U, 33U, 131U, 385U}) {
    const Halves x = to_halves(normal(random, 3 * n + 1, 2)), d_y = to_halves(normal(random, 3 * n + 1));
    const auto run = [&](const TrainingKernels& table) {
      Halves y(3 * n), d_x = d_y;
      Floats out(n, 1.0F);
      table.low_gelu(x.data() + 1, 3 * n, y.data());
      table.low_gelu_backward(x.data() + 1, d_x.data() + 1, 3 * n, d_x.data() + 1);
      table.low_add_rows(x.data() + 1, n, 3, n, out.data());
      for (const Floats& part : {to_floats(y), to_floats(d_x)}) out.insert(out.end(), part.begin(), part.end());
      return out;
    };
    expect_close(run(fast()), run(kScalarTrainingKernels), 8e-3, "n " + std::to_string(n));  // one bf16 apart
  }
}

TEST_P(TrainingKernelTest, Bf16GeluLosesLessThanARounding) {
  Floats x;
  for (float at = -8; at < 8; at += 0.01F) x.push_back(at);
  const Halves low = to_halves(x), ones = to_halves(Floats(x.size(), 1.0F));
  Halves y(x.size()), slope(x.size());
  fast().low_gelu(low.data(), x.size(), y.data());
  fast().low_gelu_backward(low.data(), ones.data(), x.size(), slope.data());
  const Floats at = to_floats(low), got = to_floats(y), got_slope = to_floats(slope);
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double cdf = 0.5 * std::erfc(-static_cast<double>(at[i]) / std::sqrt(2.0));
    const double density = std::exp(-0.5 * at[i] * at[i]) / std::sqrt(2 * 3.14159265358979323846);
    EXPECT_NEAR(got[i], at[i] * cdf, 4e-5 * std::max(1.0, std::fabs(double{at[i]})) + std::fabs(at[i] * cdf) / 256);
    EXPECT_NEAR(got_slope[i], cdf + at[i] * density, 3e-4 + std::fabs(cdf + at[i] * density) / 256);
  }
}

TEST_P(TrainingKernelTest, AttentionEqualsThePlainOne) {
  const std::size_t shapes[][3] = {{1, 1, 4}, {3, 2, 32}, {17, 3, 8}, {16, 1, 16}, {33, 2, 20}, {50, 1, 64}};
  for (const auto& [t, heads, head_dim] : shapes)
    for (const Dropout& dropout : {Dropout{}, Dropout{3, 0x20000000U, 8.0F / 7}}) {
      const Floats qkv = normal(random, t * 3 * heads * head_dim), d_out = normal(random, t * heads * head_dim);
      const AttentionRun got = run_attention(fast(), qkv, d_out, {t, heads, head_dim}, dropout);
      const AttentionRun wanted = run_attention(kScalarTrainingKernels, qkv, d_out, {t, heads, head_dim}, dropout);
      expect_close(got.out, wanted.out, 1e-5, "out");
      expect_close(got.d_qkv, wanted.d_qkv, 2e-5, "d_qkv");
    }
}

TEST_P(TrainingKernelTest, Bf16AttentionIsThatOfFloatsRounded) {
  const AttentionShape shapes[] = {{1, 1, 4}, {3, 2, 32}, {17, 3, 8}, {33, 2, 20}};
  for (const AttentionShape& shape : shapes)
    for (const Dropout& dropout : {Dropout{}, Dropout{3, 0x20000000U, 8.0F / 7}}) {
      const Halves qkv = to_halves(normal(random, shape.t * 3 * shape.heads * shape.head_dim));
      const Halves d_out = to_halves(normal(random, shape.t * shape.heads * shape.head_dim));
      const AttentionRun wanted =
          run_attention(kScalarTrainingKernels, to_floats(qkv), to_floats(d_out), shape, dropout);
      for (const TrainingKernels* table : {&fast(), &kScalarTrainingKernels}) {
        Halves out(d_out.size()), d_qkv(qkv.size());
        Floats workspace;
        LowAttentionStep step = attention_step<std::uint16_t>(shape, dropout, workspace);
        step.qkv = qkv.data();
        step.out = out.data();
        step.d_out = d_out.data();
        step.d_qkv = d_qkv.data();
        table->low_attention(step);
        table->low_attention_backward(step);
        expect_close(to_floats(out), wanted.out, 4e-3, "out");
        expect_close(to_floats(d_qkv), wanted.d_qkv, 4e-3, "d_qkv");
      }
    }
}

}  // namespace
}  // namespace smidgen
