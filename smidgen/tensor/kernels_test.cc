// Every table against the scalar one: odd lengths, misaligned pointers, memory outside the output untouched.
#include "smidgen/tensor/kernels.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "smidgen/base/random.h"
#include "smidgen/tensor/matmul.h"
#include "smidgen/tensor/packed_matrix.h"

namespace smidgen {
namespace {

constexpr float kUntouched = -12345.0F;

// `size` numbers behind `shift` floats of a vector, so that the data starts at any alignment, and guards behind.
struct Buffer {
  explicit Buffer(std::size_t size_in, std::size_t shift_in = 0) : shift(shift_in), size(size_in) {
    data.assign(size + shift + 64, kUntouched);
  }
  float* get() { return data.data() + shift; }
  void fill(Random& random, double scale = 1) {
    for (std::size_t i = 0; i < size; ++i) get()[i] = static_cast<float>(random.normal() * scale);
  }
  bool guards_hold() const {
    for (std::size_t i = 0; i < shift; ++i)
      if (data[i] != kUntouched) return false;
    for (std::size_t i = shift + size; i < data.size(); ++i)
      if (data[i] != kUntouched) return false;
    return true;
  }
  std::vector<float> data;
  std::size_t shift, size;
};

void expect_near(Buffer& got, Buffer& wanted, double tolerance, const std::string& what) {
  ASSERT_EQ(got.size, wanted.size);
  for (std::size_t i = 0; i < got.size; ++i)
    ASSERT_NEAR(got.get()[i], wanted.get()[i], tolerance * std::max(1.0, std::fabs(double{wanted.get()[i]})))
        << what << " at " << i;
  EXPECT_TRUE(got.guards_hold()) << what;
}

class KernelTest : public testing::TestWithParam<const Kernels*> {
 protected:
  const Kernels& fast() const { return *GetParam(); }
  const Kernels& plain() const { return kScalarKernels; }
  Random random{7};
};

INSTANTIATE_TEST_SUITE_P(Isa, KernelTest, testing::ValuesIn(available_kernels()),
                         [](const auto& tested) { return std::string(tested.param->name); });

struct GemmShape {
  std::size_t m, n, k;
  bool transposed, bias, gelu, residual;
};

void run_gemm(const Kernels& table, const GemmShape& shape, const Buffer& a, const std::vector<float>& b,
              const Buffer& bias, const Buffer& residual, Buffer& c) {
  const PackedMatrix packed = PackedMatrix::pack(table, b.data(), shape.k, shape.n, shape.n, 1);
  GemmCall call;
  call.a = a.data.data() + a.shift;
  call.a_transposed = shape.transposed;
  call.a_stride = shape.transposed ? shape.m + 3 : shape.k + 3;
  call.panels = packed.panels();
  call.m = shape.m;
  call.n = shape.n;
  call.k = shape.k;
  if (shape.bias) call.bias = bias.data.data() + bias.shift;
  if (shape.residual) {
    call.residual = residual.data.data() + residual.shift;
    call.residual_stride = shape.n;
  }
  call.gelu = shape.gelu;
  call.c = c.get();
  call.c_stride = shape.n;
  table.gemm(call);
}

TEST_P(KernelTest, GemmEqualsItsScalarTwin) {
  for (std::size_t m : {1, 2, 5, 6, 7, 13, 14, 15, 16, 29, 61})
    for (std::size_t n : {1, 7, 16, 31, 32, 33, 95})
      for (std::size_t k : {0, 1, 3, 4, 37, 96}) {
        const std::size_t pick = m + n + k;
        const GemmShape shape{m, n, k, pick % 3 == 0, pick % 2 == 0, pick % 5 < 2, pick % 7 < 4};
        Buffer a((shape.transposed ? k * (m + 3) : m * (k + 3)) + 1, pick % 4), bias(n, 1), residual(m * n, 3);
        std::vector<float> b(k * n);
        a.fill(random);
        bias.fill(random);
        residual.fill(random);
        for (float& x : b) x = static_cast<float>(random.normal() * 0.2);
        Buffer got(m * n, pick % 5), wanted(m * n);
        run_gemm(fast(), shape, a, b, bias, residual, got);
        run_gemm(plain(), shape, a, b, bias, residual, wanted);
        expect_near(got, wanted, 2e-5,
                    "m " + std::to_string(m) + " n " + std::to_string(n) + " k " + std::to_string(k));
        if (HasFatalFailure()) return;
      }
}

TEST_P(KernelTest, GemmRowDoesNotDependOnItsNeighbours) {
  const std::size_t n = 40, k = 300;  // k large enough that rows are cut into several blocks
  Buffer a(1500 * (k + 3), 1), bias(n), residual(1500 * n);
  a.fill(random);
  bias.fill(random);
  residual.fill(random);
  std::vector<float> b(k * n, 0.25F);
  for (float& x : b) x = static_cast<float>(random.normal());
  Buffer all(1500 * n);
  run_gemm(fast(), {1500, n, k, false, true, true, true}, a, b, bias, residual, all);
  for (std::size_t m : {1, 2, 3, 8, 14, 15, 100}) {
    Buffer some(m * n);
    run_gemm(fast(), {m, n, k, false, true, true, true}, a, b, bias, residual, some);
    for (std::size_t i = 0; i < m * n; ++i) ASSERT_EQ(some.get()[i], all.get()[i]) << m << " rows, at " << i;
  }
}

TEST_P(KernelTest, AttentionEqualsItsScalarTwin) {
  for (std::size_t t : {1, 2, 3, 7, 14, 16, 17, 33, 64, 75})
    for (std::size_t d : {1, 4, 8, 31, 32, 33, 64}) {
      const std::size_t heads = 3, hidden = heads * d;
      Buffer qkv(t * 3 * hidden, t % 4);
      qkv.fill(random, 2);
      std::vector<float> workspace(attention_workspace(t, d));
      Buffer got(t * hidden, d % 3), wanted(t * hidden), in_parts(t * hidden);
      fast().attention({qkv.get(), t, heads, d, hidden, 0.3F, got.get(), workspace.data()});
      plain().attention({qkv.get(), t, heads, d, hidden, 0.3F, wanted.get(), workspace.data()});
      expect_near(got, wanted, 1e-5, "t " + std::to_string(t) + " d " + std::to_string(d));
      if (HasFatalFailure()) return;
      fast().attention({qkv.get(), t, 2, d, hidden, 0.3F, in_parts.get(), workspace.data()});
      fast().attention({qkv.get() + 2 * d, t, 1, d, hidden, 0.3F, in_parts.get() + 2 * d, workspace.data()});
      for (std::size_t i = 0; i < t * hidden; ++i) ASSERT_EQ(in_parts.get()[i], got.get()[i]) << "some heads at a time";
    }
}

TEST_P(KernelTest, GeluIsExactEverywhere) {
  Buffer x(40001, 3);
  for (std::size_t i = 0; i < x.size; ++i) x.get()[i] = static_cast<float>((static_cast<double>(i) - 20000) / 1000);
  const std::vector<float> before(x.get(), x.get() + x.size);
  fast().gelu(x.get(), x.size);
  for (std::size_t i = 0; i < x.size; ++i) {
    const double v = before[i], wanted = 0.5 * v * std::erfc(-v / std::sqrt(2.0));
    ASSERT_NEAR(x.get()[i], wanted, 3e-7 * std::max(1.0, std::fabs(v))) << v;
  }
  EXPECT_TRUE(x.guards_hold());
}

TEST_P(KernelTest, VectorsEqualTheirScalarTwins) {
  for (std::size_t n : {0, 1, 3, 7, 8, 9, 15, 16, 17, 31, 64, 65, 100, 384}) {
    for (std::size_t shift : {0, 1, 5}) {
      Buffer a(n, shift), b(n, shift + 1);
      a.fill(random, 4);
      b.fill(random);
      EXPECT_NEAR(fast().dot(a.get(), b.get(), n), plain().dot(a.get(), b.get(), n), 1e-4);
      Buffer y1 = b, y2 = b;
      fast().axpy(0.7F, a.get(), y1.get(), n);
      plain().axpy(0.7F, a.get(), y2.get(), n);
      expect_near(y1, y2, 1e-6, "axpy");
      Buffer s1 = a, s2 = a;
      fast().softmax(s1.get(), n);
      plain().softmax(s2.get(), n);
      expect_near(s1, s2, 1e-6, "softmax");
      Buffer g1 = a, g2 = a;
      fast().gelu(g1.get(), n);
      plain().gelu(g2.get(), n);
      expect_near(g1, g2, 1e-6, "gelu");
      if (HasFatalFailure()) return;
    }
  }
}

TEST_P(KernelTest, SoftmaxSurvivesLargeNumbers) {
  std::vector<float> x = {1000.0F, 999.0F, -1e30F, 1000.0F, -200.0F};
  fast().softmax(x.data(), x.size());
  const double bottom = 2 + std::exp(-1.0);
  EXPECT_NEAR(x[0], 1 / bottom, 1e-6);
  EXPECT_NEAR(x[1], std::exp(-1.0) / bottom, 1e-6);
  EXPECT_NEAR(x[2], 0, 1e-30);
}

TEST_P(KernelTest, RowKernelsEqualTheirScalarTwins) {
  for (std::size_t rows : {1, 2, 5})
    for (std::size_t n : {1, 5, 8, 16, 19, 33, 384}) {
      Buffer x(rows * n, 1), gain(n, 2), bias(n, 3), got(rows * n, 1), wanted(rows * n), m1(n, 2), m2(n);
      x.fill(random, 3);
      gain.fill(random);
      bias.fill(random);
      fast().layer_norm(x.get(), rows, n, gain.get(), bias.get(), 1e-6F, got.get());
      plain().layer_norm(x.get(), rows, n, gain.get(), bias.get(), 1e-6F, wanted.get());
      expect_near(got, wanted, n == 1 ? 1e-3 : 1e-5, "layer_norm");
      fast().mean_rows(x.get(), rows, n, m1.get());
      plain().mean_rows(x.get(), rows, n, m2.get());
      expect_near(m1, m2, 1e-6, "mean_rows");
      if (HasFatalFailure()) return;
    }
}

TEST_P(KernelTest, MatmulIsRightAndTheSameForAnyNumberOfThreads) {
  const std::size_t rows = 1300, labels = 19, d = 67;
  std::vector<float> x(rows * d), w(labels * d), g(rows * labels), bias(labels);
  for (auto* v : {&x, &w, &g, &bias})
    for (float& value : *v) value = static_cast<float>(random.normal());
  const PackedMatrix right = PackedMatrix::pack(fast(), w.data(), d, labels, 1, d);
  const PackedMatrix packed_x = PackedMatrix::pack(fast(), x.data(), rows, d, d, 1);
  std::vector<float> logits(rows * labels), gradient(labels * d), logits3(logits), gradient3(gradient);
  ThreadPool pool(3);
  matmul(nullptr, x.data(), rows, d, right, bias.data(), logits.data(), labels);
  matmul(&pool, x.data(), rows, d, right, bias.data(), logits3.data(), labels);
  matmul_transposed(nullptr, g.data(), rows, labels, labels, packed_x, gradient.data(), d);
  matmul_transposed(&pool, g.data(), rows, labels, labels, packed_x, gradient3.data(), d);
  EXPECT_EQ(logits, logits3);
  EXPECT_EQ(gradient, gradient3);
  for (std::size_t i = 0; i < rows; i += 97)
    for (std::size_t j = 0; j < labels; ++j) {
      double sum = bias[j];
      for (std::size_t t = 0; t < d; ++t) sum += double{x[i * d + t]} * w[j * d + t];
      ASSERT_NEAR(logits[i * labels + j], sum, 1e-3);
    }
  for (std::size_t j = 0; j < labels; ++j)
    for (std::size_t t = 0; t < d; ++t) {
      double sum = 0;
      for (std::size_t i = 0; i < rows; ++i) sum += double{g[i * labels + j]} * x[i * d + t];
      ASSERT_NEAR(gradient[j * d + t], sum, 1e-2);
    }
}

TEST(Kernels, EveryAvailableTableCanBeForcedAndOthersAreClearErrors) {
  for (const Kernels* table : available_kernels()) {
    const auto forced = select_kernels(table->name);
    ASSERT_TRUE(forced.ok());
    EXPECT_EQ(*forced, table);
  }
  EXPECT_EQ(*select_kernels(""), available_kernels().back());
  const auto unknown = select_kernels("altivec");
  ASSERT_FALSE(unknown.ok());
  EXPECT_EQ(unknown.error().kind(), ErrorKind::kUsage);
  EXPECT_NE(unknown.error().message().find("unknown instruction set \"altivec\""), std::string::npos);
  EXPECT_NE(unknown.error().hint().find("scalar"), std::string::npos);
}

}  // namespace
}  // namespace smidgen
