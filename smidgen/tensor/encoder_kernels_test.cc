// Every table of encoder kernels, that of AMX also on emulated tiles, against the scalar one: odd lengths, misaligned
// pointers, memory outside the output untouched; integer sums equal to the bit.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "smidgen/base/random.h"
#include "smidgen/tensor/encoder_kernel_table.h"
#include "smidgen/tensor/kernels.h"
#include "smidgen/tensor/low_matrix.h"
#include "tests/kernels/emulated_kernels.h"

namespace smidgen {
namespace {

// `size` elements behind `shift` bytes, so that they start at any alignment, with guard bytes around them.
template <class T>
class Memory {
 public:
  explicit Memory(std::size_t size, std::size_t shift = 0) : size_(size), shift_(shift) {
    bytes_.assign(size * sizeof(T) + shift + 128, kGuard);
  }
  T* get() { return reinterpret_cast<T*>(bytes_.data() + shift_); }
  T at(std::size_t i) const {
    T value;
    std::memcpy(&value, bytes_.data() + shift_ + i * sizeof(T), sizeof(T));
    return value;
  }
  void set(std::size_t i, T value) { std::memcpy(bytes_.data() + shift_ + i * sizeof(T), &value, sizeof(T)); }
  std::size_t size() const { return size_; }
  bool guards_hold() const {
    const auto data = bytes_.begin() + static_cast<std::ptrdiff_t>(shift_);
    return std::all_of(bytes_.begin(), data, [](unsigned char b) { return b == kGuard; }) &&
           std::all_of(data + static_cast<std::ptrdiff_t>(size_ * sizeof(T)), bytes_.end(),
                       [](unsigned char b) { return b == kGuard; });
  }
  bool equals(const Memory& other) const {
    return size_ == other.size_ &&
           std::memcmp(bytes_.data() + shift_, other.bytes_.data() + other.shift_, size_ * sizeof(T)) == 0;
  }

 private:
  static constexpr unsigned char kGuard = 0xa5;
  std::vector<unsigned char> bytes_;
  std::size_t size_, shift_;
};

// Floats stay 4-byte aligned (kernel_table.h asks for that much).
Memory<float> normal_floats(Random& random, std::size_t size, std::size_t shift, double scale) {
  Memory<float> out(size, shift / 4 * 4);
  for (std::size_t i = 0; i < size; ++i) out.set(i, static_cast<float>(random.normal() * scale));
  return out;
}

class EncoderKernelTest : public testing::TestWithParam<const Kernels*> {
 protected:
  const EncoderKernels& fast() const { return *GetParam()->encoder; }
  const EncoderKernels& plain() const { return kScalarEncoderKernels; }
  Random random{11};
};

INSTANTIATE_TEST_SUITE_P(Isa, EncoderKernelTest, testing::ValuesIn(available_and_emulated_kernels()),
                         [](const auto& tested) { return std::string(tested.param->name); });

// Rows of A in one precision, as a kernel wants them.
struct Rows {
  Rows(Precision precision, Memory<float>& x, std::size_t rows, std::size_t k, std::size_t shift)
      : stride(LowMatrix::row_bytes(precision, k) + shift % 3 * 64),
        bytes(rows * stride, precision == Precision::kInt8 ? shift : shift / 2 * 2),
        scales(rows),
        corrections(rows) {
    if (precision == Precision::kInt8) {
      QuantizeCall call;
      call.x = x.get();
      call.x_stride = k;
      call.rows = rows;
      call.n = k;
      call.out = bytes.get();
      call.out_stride = stride;
      call.scales = scales.data();
      call.corrections = corrections.data();
      kScalarEncoderKernels.quantize(call);
    } else {
      kScalarEncoderKernels.round({x.get(), rows, k, k, reinterpret_cast<std::uint16_t*>(bytes.get()), stride});
    }
  }
  std::size_t stride;
  Memory<std::int8_t> bytes;
  std::vector<float> scales;
  std::vector<std::int32_t> corrections;
};

void set_rows(LowProduct& call, Rows& rows, std::size_t m) {
  call.a = rows.bytes.get();
  call.a_stride = rows.stride;
  call.a_scales = rows.scales.data();
  call.a_corrections = rows.corrections.data();
  call.m = m;
}

LowMatrix random_matrix(Random& random, Precision precision, std::size_t k, std::size_t n) {
  std::vector<float> b(k * n), bias(n);
  for (float& x : b) x = static_cast<float>(random.normal() * 0.2);
  for (float& x : bias) x = static_cast<float>(random.normal());
  return LowMatrix::pack(precision, b.data(), k, n, n, 1, bias.data());
}

TEST_P(EncoderKernelTest, IntegerSumsAreEqualOnEveryPath) {
  for (std::size_t m : {1, 2, 5, 7, 15, 16, 17, 31, 32, 33, 40, 65})
    for (std::size_t n : {1, 15, 16, 17, 32, 33, 70})
      for (std::size_t k : {1, 3, 64, 65, 200}) {
        const LowMatrix matrix = random_matrix(random, Precision::kInt8, k, n);
        Memory<float> x = normal_floats(random, m * k, 0, 1);
        Rows rows(Precision::kInt8, x, m, k, m + n + k);
        LowProduct call = matrix.product();
        set_rows(call, rows, m);
        call.c_stride = n + 1;
        Memory<std::int32_t> got(m * (n + 1), 4), wanted(m * (n + 1));
        call.sums = got.get();
        fast().int8_product(call);
        call.sums = wanted.get();
        plain().int8_product(call);
        ASSERT_TRUE(got.equals(wanted)) << "m " << m << " n " << n << " k " << k;
        ASSERT_TRUE(got.guards_hold());
      }
}

// The largest magnitudes there are: a kernel that adds products in 16 bits saturates here.
TEST_P(EncoderKernelTest, IntegerSumsDoNotSaturate) {
  constexpr std::size_t kK = 192, kN = 32, kM = 3;
  std::vector<float> b(kK * kN, 1.0F);
  Memory<float> x(kM * kK);
  for (std::size_t i = 0; i < kM * kK; ++i) x.set(i, i / kK == 1 ? -1.0F : 1.0F);
  const LowMatrix matrix = LowMatrix::pack(Precision::kInt8, b.data(), kK, kN, kN, 1, nullptr);
  Rows rows(Precision::kInt8, x, kM, kK, 1);
  LowProduct call = matrix.product();
  set_rows(call, rows, kM);
  std::vector<std::int32_t> sums(kM * kN);
  call.sums = sums.data();
  call.c_stride = kN;
  fast().int8_product(call);
  for (std::size_t i = 0; i < sums.size(); ++i) ASSERT_EQ(sums[i], (i / kN == 1 ? -1 : 1) * 127 * 127 * int{kK}) << i;
}

void expect_near(const Memory<float>& got, const Memory<float>& wanted, double tolerance, const std::string& what) {
  for (std::size_t i = 0; i < wanted.size(); ++i)
    ASSERT_NEAR(got.at(i), wanted.at(i), tolerance * std::max(1.0, std::fabs(double{wanted.at(i)})))
        << what << " at " << i;
  ASSERT_TRUE(got.guards_hold()) << what;
}

TEST_P(EncoderKernelTest, ProductsEqualTheirScalarTwins) {
  for (const Precision precision : {Precision::kInt8, Precision::kBf16})
    for (std::size_t m : {1, 4, 9, 16, 21, 34})
      for (std::size_t n : {1, 7, 16, 31, 32, 75})
        for (std::size_t k : {2, 33, 130}) {
          const std::size_t pick = m + n + k;
          const LowMatrix matrix = random_matrix(random, precision, k, n);
          Memory<float> x = normal_floats(random, m * k, 0, 1), residual = normal_floats(random, m * n, 4, 1);
          Rows rows(precision, x, m, k, pick);
          LowProduct call = matrix.product();
          set_rows(call, rows, m);
          call.gelu = pick % 2 == 0;
          if (pick % 3 == 0) call.residual = residual.get();
          call.residual_stride = n;
          call.c_stride = n;
          auto product = [&](const EncoderKernels& table) {
            precision == Precision::kInt8 ? table.int8_product(call) : table.bf16_product(call);
          };
          const std::string what = "m " + std::to_string(m) + " n " + std::to_string(n) + " k " + std::to_string(k);
          Memory<float> got(m * n, pick % 4 * 4), wanted(m * n);
          call.c = got.get();
          product(fast());
          call.c = wanted.get();
          product(plain());
          expect_near(got, wanted, call.gelu ? 1e-4 : 2e-5, what);
          if (HasFatalFailure()) return;
          Memory<std::uint16_t> halves(m * n, pick % 4 * 2);
          call.c = nullptr;
          call.c_bf16 = halves.get();
          product(fast());
          for (std::size_t i = 0; i < m * n; ++i)
            ASSERT_NEAR(float_of_bf16(halves.at(i)), wanted.at(i), 1e-4 + std::fabs(wanted.at(i)) / 250) << what;
          ASSERT_TRUE(halves.guards_hold());
        }
}

TEST_P(EncoderKernelTest, ARowDoesNotDependOnItsNeighbours) {
  constexpr std::size_t kM = 300, kN = 40, kK = 2100;  // k large enough that rows are cut into blocks
  for (const Precision precision : {Precision::kInt8, Precision::kBf16}) {
    if (GetParam() == &kScalarKernels) GTEST_SKIP() << "the reference computes row by row";
    const LowMatrix matrix = random_matrix(random, precision, kK, kN);
    Memory<float> x = normal_floats(random, kM * kK, 0, 1), all(kM * kN);
    Rows rows(precision, x, kM, kK, 0);
    LowProduct call = matrix.product();
    call.c_stride = kN;
    call.gelu = true;
    const auto run = [&](std::size_t m, float* c) {
      set_rows(call, rows, m);
      call.c = c;
      precision == Precision::kInt8 ? fast().int8_product(call) : fast().bf16_product(call);
    };
    run(kM, all.get());
    for (std::size_t m : {1, 2, 15, 16, 17, 33, 100}) {
      Memory<float> some(m * kN);
      run(m, some.get());
      for (std::size_t i = 0; i < m * kN; ++i) ASSERT_EQ(some.at(i), all.at(i)) << m << " rows, at " << i;
    }
  }
}

// Rows of zeros, whose bias is what goes through.
TEST_P(EncoderKernelTest, GeluIsWithinItsErrorEverywhere) {
  constexpr std::size_t kN = 4001;
  std::vector<float> zeros(kN), bias(kN);
  for (std::size_t j = 0; j < kN; ++j) bias[j] = (static_cast<float>(j) - 2000.0F) / 160.0F;  // -12.5 .. 12.5
  const LowMatrix matrix = LowMatrix::pack(Precision::kBf16, zeros.data(), 1, kN, kN, 1, bias.data());
  Memory<float> x(1), got(kN, 4);
  x.set(0, 0.0F);
  Rows rows(Precision::kBf16, x, 1, 1, 0);
  LowProduct call = matrix.product();
  set_rows(call, rows, 1);
  call.gelu = true;
  call.c = got.get();
  call.c_stride = kN;
  fast().bf16_product(call);
  for (std::size_t j = 0; j < kN; ++j) {
    const double z = bias[j], wanted = z * 0.5 * std::erfc(-z / std::sqrt(2.0));
    ASSERT_NEAR(got.at(j), wanted, 4e-5 * std::max(1.0, std::fabs(z))) << z;
  }
}

TEST_P(EncoderKernelTest, QuantizationEqualsItsScalarTwin) {
  for (std::size_t rows : {1, 3, 6})
    for (std::size_t n : {1, 8, 15, 16, 17, 31, 64, 65, 100, 384})
      for (const bool half : {false, true}) {
        Memory<float> x = normal_floats(random, rows * n, 4, 3);
        Memory<std::uint16_t> x_bf16(rows * n, 2);
        for (std::size_t i = 0; i < rows * n; ++i) x_bf16.set(i, bf16_of(x.at(i)));
        if (n == 15)
          for (std::size_t i = 0; i < n; ++i) half ? x_bf16.set(i, 0) : x.set(i, 0.0F);
        Memory<float> factors(n, 4);
        for (std::size_t i = 0; i < n; ++i) factors.set(i, std::ldexp(1.0F, static_cast<int>(i % 5) - 2));
        const std::size_t stride = int8_row_bytes(n) + 64;
        QuantizeCall call;
        half ? static_cast<void>(call.x_bf16 = x_bf16.get()) : static_cast<void>(call.x = x.get());
        call.rows = rows;
        call.n = call.x_stride = n;
        call.out_stride = stride;
        call.factors = rows == 1 ? nullptr : factors.get();
        Memory<std::int8_t> got(rows * stride, 3), wanted(rows * stride);
        std::vector<float> scales(rows), wanted_scales(rows);
        std::vector<std::int32_t> sums(rows), wanted_sums(rows);
        call.out = got.get();
        call.scales = scales.data();
        call.corrections = sums.data();
        fast().quantize(call);
        call.out = wanted.get();
        call.scales = wanted_scales.data();
        call.corrections = wanted_sums.data();
        plain().quantize(call);
        EXPECT_TRUE(got.equals(wanted)) << "rows " << rows << " n " << n << " bf16 " << half;
        EXPECT_EQ(scales, wanted_scales);
        EXPECT_EQ(sums, wanted_sums);
        EXPECT_TRUE(got.guards_hold());
      }
}

TEST_P(EncoderKernelTest, RoundingIsNearestEvenAndKeepsNaN) {
  Memory<float> x = normal_floats(random, 75, 4, 100);
  const std::uint32_t ties[] = {0x3f808000, 0x3f818000, 0x3f808001, 0x7f7fffff, 0x80000000, 0x7f800000, 0x7fffffff};
  std::memcpy(x.get(), ties, sizeof(ties));
  Memory<std::uint16_t> got(96, 2), wanted(96);
  fast().round({x.get(), 1, 75, 75, got.get(), 192});
  plain().round({x.get(), 1, 75, 75, wanted.get(), 192});
  for (std::size_t i = 0; i < 75; ++i) {
    if (i != 6) {
      EXPECT_EQ(got.at(i), wanted.at(i)) << i;
      EXPECT_EQ(got.at(i), bf16_of(x.at(i))) << i;
    }
  }
  EXPECT_TRUE(std::isnan(float_of_bf16(got.at(6))));
  EXPECT_EQ(got.at(0), 0x3f80);
  EXPECT_EQ(got.at(1), 0x3f82);
  EXPECT_EQ(got.at(2), 0x3f81);
  for (std::size_t i = 75; i < 96; ++i) EXPECT_EQ(got.at(i), 0) << i;
  EXPECT_TRUE(got.guards_hold());
}

TEST_P(EncoderKernelTest, NormsEqualTheirScalarTwins) {
  for (std::size_t rows : {1, 3, 6})
    for (std::size_t n : {4, 8, 16, 19, 33, 384}) {
      Memory<float> x = normal_floats(random, rows * n, 4, 3), gain = normal_floats(random, n, 8, 1);
      Memory<float> bias = normal_floats(random, n, 4, 1), got(rows * n, 12), wanted(rows * n);
      const std::size_t stride = int8_row_bytes(n);
      Memory<std::int8_t> bytes(rows * stride, 1);
      Memory<std::uint16_t> halves(rows * stride, 2);
      std::vector<float> scales(rows);
      std::vector<std::int32_t> sums(rows);
      QuantizeCall quantized;
      quantized.rows = rows;
      quantized.n = n;
      quantized.out = bytes.get();
      quantized.out_stride = stride;
      quantized.scales = scales.data();
      quantized.corrections = sums.data();
      Memory<float> factors(n, 8);
      for (std::size_t i = 0; i < n; ++i) factors.set(i, std::ldexp(1.0F, static_cast<int>(i % 5) - 2));
      quantized.factors = rows == 1 ? nullptr : factors.get();
      const auto factor = [&](std::size_t i) { return rows == 1 ? 1.0F : factors.at(i % n); };
      const NormCall norm = {x.get(), rows, n, gain.get(), n == 19 ? nullptr : bias.get(), 1e-6F, got.get()};
      NormCall reference = norm;
      reference.out = wanted.get();
      Memory<std::int8_t> unused(rows * stride);
      QuantizeCall quantized_reference = quantized;
      quantized_reference.out = unused.get();
      plain().norm_quantize(reference, quantized_reference);
      fast().norm_quantize(norm, quantized);
      expect_near(got, wanted, 1e-5, "norm_quantize");
      for (std::size_t i = 0; i < rows * n; ++i)
        ASSERT_NEAR(bytes.at(i / n * stride + i % n) * scales[i / n], got.at(i) * factor(i), scales[i / n] * 0.501);
      fast().norm_round(norm, {nullptr, rows, n, 0, halves.get(), stride * 2});
      for (std::size_t i = 0; i < rows * n; ++i) ASSERT_EQ(halves.at(i / n * stride + i % n), bf16_of(got.at(i)));
      ASSERT_TRUE(bytes.guards_hold() && halves.guards_hold());
    }
}

TEST_P(EncoderKernelTest, ANormedRowDoesNotDependOnItsNeighbours) {
  constexpr std::size_t kRows = 7, kN = 75;
  const std::size_t stride = int8_row_bytes(kN);
  Memory<float> x = normal_floats(random, kRows * kN, 0, 3), gain = normal_floats(random, kN, 0, 1);
  const auto run = [&](std::size_t first, std::size_t rows, Memory<float>& out, Memory<std::int8_t>& bytes) {
    std::vector<float> scales(rows);
    std::vector<std::int32_t> sums(rows);
    QuantizeCall call;
    call.rows = rows;
    call.n = kN;
    call.out = bytes.get();
    call.out_stride = stride;
    call.scales = scales.data();
    call.corrections = sums.data();
    fast().norm_quantize({x.get() + first * kN, rows, kN, gain.get(), gain.get(), 1e-6F, out.get()}, call);
  };
  Memory<float> all(kRows * kN), one(kN);
  Memory<std::int8_t> all_bytes(kRows * stride), one_bytes(stride);
  run(0, kRows, all, all_bytes);
  for (std::size_t row = 0; row < kRows; ++row) {
    run(row, 1, one, one_bytes);
    for (std::size_t i = 0; i < kN; ++i) ASSERT_EQ(one.at(i), all.at(row * kN + i)) << row << ' ' << i;
    for (std::size_t i = 0; i < stride; ++i) ASSERT_EQ(one_bytes.at(i), all_bytes.at(row * stride + i)) << row;
  }
}

TEST_P(EncoderKernelTest, AttentionEqualsItsScalarTwin) {
  for (std::size_t t : {1, 2, 15, 16, 17, 33, 40, 75, 130, 525})
    for (std::size_t d : {2, 7, 12, 32, 33, 64})
      for (std::size_t window : {0, 5, 40}) {
        if ((window != 0 && (t < 17 || d == 7)) || (t > 500 && d != 32)) continue;
        const std::size_t heads = 3, hidden = heads * d, stride = 3 * hidden + 2;
        Memory<std::uint16_t> qkv(t * stride, t % 4 * 2);
        for (std::size_t i = 0; i < t * stride; ++i) qkv.set(i, bf16_of(static_cast<float>(random.normal() * 2)));
        Memory<unsigned char> workspace(low_attention_workspace(t, d), d % 64);
        Memory<float> got(t * hidden, d % 3 * 4), wanted(t * hidden), in_parts(t * hidden);
        LowAttention call = {qkv.get(), stride, t, heads, d, hidden, 0.3F, window, got.get(), workspace.get()};
        fast().attention(call);
        ASSERT_TRUE(workspace.guards_hold());
        call.out = wanted.get();
        plain().attention(call);
        // Probabilities beside a rounding step of bf16 may fall on either side of it.
        expect_near(got, wanted, 1.5e-2,
                    "t " + std::to_string(t) + " d " + std::to_string(d) + " window " + std::to_string(window));
        if (HasFatalFailure()) return;
        call.heads = 2;
        call.out = in_parts.get();
        fast().attention(call);
        call.heads = 1;
        call.qkv += 2 * d;
        call.out += 2 * d;
        fast().attention(call);
        for (std::size_t i = 0; i < t * hidden; ++i) ASSERT_EQ(in_parts.at(i), got.at(i)) << "some heads at a time";
      }
}

TEST_P(EncoderKernelTest, AttentionSurvivesLargeScores) {
  constexpr std::size_t kT = 20, kD = 32;
  Memory<std::uint16_t> qkv(kT * 3 * kD);
  for (std::size_t i = 0; i < kT * 3 * kD; ++i)
    qkv.set(i,
            bf16_of(i % (3 * kD) < 2 * kD ? (i / (3 * kD) == 3 ? 60.0F : -40.0F) : static_cast<float>(i / (3 * kD))));
  Memory<unsigned char> workspace(low_attention_workspace(kT, kD));
  Memory<float> out(kT * kD);
  fast().attention({qkv.get(), 3 * kD, kT, 1, kD, kD, 1.0F, 0, out.get(), workspace.get()});
  double others = 0;  // row 3 attends to itself alone, all others to all but row 3 alike
  for (std::size_t i = 0; i < kT; ++i) others += i == 3 ? 0.0 : static_cast<double>(i) / (kT - 1);
  for (std::size_t i = 0; i < kT * kD; ++i) ASSERT_NEAR(out.at(i), i / kD == 3 ? 3.0 : others, 0.02) << i;
}

// Queries of one tile whose scores lie hundreds apart, over more keys than are taken at once: none may lose its own.
TEST_P(EncoderKernelTest, AttentionKeepsRowsFarBelowTheOthersOfTheirTile) {
  constexpr std::size_t kT = 700, kD = 32;
  Memory<std::uint16_t> qkv(kT * 3 * kD);
  for (std::size_t i = 0; i < kT; ++i)
    for (std::size_t j = 0; j < 3 * kD; ++j) {
      const bool constant = j % kD == 0;  // the first dimension of a query moves its scores as a whole
      double value = random.normal();
      if (j < kD) value = constant ? 300.0 * (static_cast<double>(i % 3) - 1) : value;
      if (j >= kD && j < 2 * kD && constant) value = 1;
      qkv.set(i * 3 * kD + j, bf16_of(static_cast<float>(value)));
    }
  Memory<unsigned char> workspace(low_attention_workspace(kT, kD));
  Memory<float> got(kT * kD), wanted(kT * kD);
  LowAttention call = {qkv.get(), 3 * kD, kT, 1, kD, kD, 1.0F, 0, got.get(), workspace.get()};
  fast().attention(call);
  call.out = wanted.get();
  plain().attention(call);
  expect_near(got, wanted, 1.5e-2, "far apart");
  ASSERT_TRUE(workspace.guards_hold());
}

TEST(LowMatrix, QuantizesEachColumnByItsOwnScale) {
  const std::vector<float> b = {1.0F, 100.0F, -0.5F, 50.0F, 0.25F, -100.0F};  // (3, 2)
  const LowMatrix matrix = LowMatrix::pack(Precision::kInt8, b.data(), 3, 2, 2, 1, nullptr);
  EXPECT_FLOAT_EQ(matrix.scales()[0], 1.0F / 127);
  EXPECT_FLOAT_EQ(matrix.scales()[1], 100.0F / 127);
  const std::vector<int> line = {255, 64, 160, 128, 255, 192, 1, 128};  // -63.5 rounds to even
  for (std::size_t i = 0; i < line.size(); ++i) EXPECT_EQ(matrix.panels()[i], line[i]) << i;
  EXPECT_EQ(matrix.panels()[kLineBytes], 128);
  EXPECT_EQ(matrix.lines(), 16U);
}

TEST(LowMatrix, ColumnsBelowTheSmallestScaleAreZeros) {
  const float least = std::numeric_limits<float>::denorm_min(), small = 127 * std::numeric_limits<float>::min();
  const std::vector<float> b = {least, 1e-38F, small, -least, 1e-36F, -small};  // (2, 3)
  const LowMatrix matrix = LowMatrix::pack(Precision::kInt8, b.data(), 2, 3, 3, 1, nullptr);
  EXPECT_EQ(matrix.scales()[0], 0);
  EXPECT_EQ(matrix.scales()[1], 0);
  EXPECT_EQ(matrix.scales()[2], std::numeric_limits<float>::min());
  const std::vector<int> line = {128, 128, 128, 128, 128, 128, 128, 128, 255, 1};
  for (std::size_t i = 0; i < line.size(); ++i) EXPECT_EQ(matrix.panels()[i], line[i]) << i;
}

TEST(Precision, HasNames) {
  for (const Precision precision : {Precision::kF32, Precision::kBf16, Precision::kInt8})
    EXPECT_EQ(precision_by_name(precision_name(precision)), precision);
  EXPECT_FALSE(precision_by_name("fp16").has_value());
}

}  // namespace
}  // namespace smidgen
