#include "smidgen/tensor/safetensors.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>

#include "smidgen/base/random.h"

namespace smidgen {
namespace {

std::string file_of(std::string_view header, std::size_t data_bytes) {
  const std::uint64_t length = header.size();
  std::string out(8, '\0');
  std::memcpy(out.data(), &length, 8);
  return out + std::string(header) + std::string(data_bytes, '\0');
}

std::string two_tensors() {
  static const std::vector<float> a = {1, 2, 3, 4, 5, 6}, b = {-1.5F};
  static const std::vector<std::int8_t> c = {1, -2, 3};
  return safetensors_bytes({{"a", DType::kF32, {2, 3}, as_bytes(std::span<const float>(a))},
                            {"b", DType::kF32, {}, as_bytes(std::span<const float>(b))},
                            {"c", DType::kI8, {3}, as_bytes(std::span<const std::int8_t>(c))}},
                           {{"made", "by \"test\" \n"}});
}

TEST(Safetensors, ReadsWhatItWrites) {
  const std::string bytes = two_tensors();
  auto file = Safetensors::from_bytes(bytes);
  ASSERT_TRUE(file.ok()) << file.error().message();
  EXPECT_EQ(file->names(), (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_EQ(file->metadata().at("format"), "pt");
  EXPECT_EQ(file->metadata().at("made"), "by \"test\" \n");
  const auto a = file->floats("a", {2, 3});
  ASSERT_TRUE(a.ok());
  EXPECT_EQ(*a, (std::vector<float>{1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(*file->floats("b", {}), (std::vector<float>{-1.5F}));
  const std::size_t three[] = {3};
  const auto c = file->get("c", DType::kI8, three);
  ASSERT_TRUE(c.ok());
  EXPECT_EQ(c->bytes, std::string_view("\x01\xfe\x03"));
  EXPECT_EQ(file->find("d"), nullptr);
}

TEST(Safetensors, OpensFilesAndNamesThemInErrors) {
  const std::string path = testing::TempDir() + "smidgen_safetensors_test";
  const std::vector<float> a = {1};
  ASSERT_TRUE(write_safetensors(path, {{"a", DType::kF32, {1}, as_bytes(std::span<const float>(a))}}).ok());
  {
    auto file = Safetensors::open(path);
    ASSERT_TRUE(file.ok());
    const Error wrong = file->floats("a", {2, 2}).error();
    EXPECT_EQ(wrong.file(), path);
    EXPECT_EQ(wrong.what(), "tensor \"a\" is F32 (1), wanted F32 (2, 2)");
    EXPECT_EQ(file->floats("x", {1}).error().what(), "has no tensor \"x\"");
  }
  ASSERT_TRUE(write_file_atomic(path, "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n").ok());
  const auto pointer = Safetensors::open(path);
  ASSERT_FALSE(pointer.ok());
  EXPECT_NE(pointer.error().message().find("git-LFS pointer"), std::string::npos);
  EXPECT_NE(pointer.error().hint().find("git lfs pull"), std::string::npos);
  std::filesystem::remove(path);
  EXPECT_EQ(Safetensors::open(path).error().kind(), ErrorKind::kNoInput);
}

struct BadFile {
  SafetensorsFault fault;
  std::string bytes, message;
};

std::vector<BadFile> bad_files() {
  using F = SafetensorsFault;
  const std::string length_max("\xff\xff\xff\xff\xff\xff\xff\xff", 8);
  const auto tensor = [](std::string_view inside, std::size_t data) {
    return file_of("{\"w\":{" + std::string(inside) + "}}", data);
  };
  const auto pair = [](std::string_view first, std::string_view second, std::size_t data) {
    return file_of(
        "{\"a\":{\"dtype\":\"U8\"," + std::string(first) + "},\"b\":{\"dtype\":\"U8\"," + std::string(second) + "}}",
        data);
  };
  return {
      {F::kHeaderTooSmall, "", "only 0 bytes"},
      {F::kHeaderTooSmall, "1234567", "only 7 bytes"},
      {F::kHeaderTooLarge, length_max, "18446744073709551615"},
      {F::kHeaderTooLarge, file_of(std::string(8, ' '), 0).replace(0, 4, "\x01\xe1\xf5\x05"), "100000001"},
      {F::kHeaderPastEnd, file_of("{}", 0).replace(0, 1, "\x03"), "header of 3 bytes in a file of 10"},
      {F::kHeaderNotUtf8, file_of("{\"\xff\":1}", 0), "UTF-8"},
      {F::kHeaderNotJson, file_of("{\"a\":", 0), "not valid JSON"},
      {F::kHeaderNotJson, file_of("{} x", 0), "not valid JSON"},
      {F::kHeaderNotJson, tensor("\"dtype\":\"F7\",\"shape\":[],\"data_offsets\":[0,1]", 1), "unknown dtype \"F7\""},
      {F::kHeaderNotJson, tensor("\"dtype\":\"U8\",\"shape\":[-1],\"data_offsets\":[0,1]", 1), "whole numbers"},
      {F::kHeaderNotJson, tensor("\"dtype\":\"U8\",\"shape\":[1.0],\"data_offsets\":[0,1]", 1), "whole numbers"},
      {F::kHeaderNotJson, tensor("\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0]", 1), "data_offsets"},
      {F::kHeaderNotJson, file_of("{\"w\":3}", 0), "has no `dtype`"},
      {F::kHeaderStart, file_of(" {}", 0), "does not start with `{`"},
      {F::kHeaderStart, file_of("[]", 0), "does not start with `{`"},
      {F::kHeaderStart, file_of("", 0), "does not start with `{`"},
      {F::kHole, pair("\"shape\":[1],\"data_offsets\":[0,1]", "\"shape\":[1],\"data_offsets\":[2,3]", 3), "no tensor"},
      {F::kHole, tensor("\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,2]", 2), "bytes 0 to 1"},
      {F::kOverlap, pair("\"shape\":[2],\"data_offsets\":[0,2]", "\"shape\":[2],\"data_offsets\":[1,3]", 3), "overlap"},
      {F::kPastEnd, tensor("\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]", 3), "ends at byte 4 of 3"},
      {F::kPastEnd, tensor("\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]", 3), "the data at byte 3"},
      {F::kPastEnd, file_of("{}", 1), "tensors end at byte 0"},
      {F::kShapeSize, tensor("\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]", 4), "needs 8 bytes"},
      {F::kShapeSize, tensor("\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[2,1]", 2), "2 to 1"},
      {F::kOverflow, tensor("\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,0]", 0),
       "product of its shape overflows"},
      {F::kOverflow, tensor("\"dtype\":\"F32\",\"shape\":[4611686018427387904],\"data_offsets\":[0,0]", 0),
       "overflows"},
      {F::kSubByte, tensor("\"dtype\":\"F4\",\"shape\":[3],\"data_offsets\":[0,2]", 2), "do not fill whole bytes"},
      {F::kDuplicate,
       file_of("{\"a\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]},"
               "\"a\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}",
               0),
       "\"a\" twice"},
      {F::kMetadataNotString, file_of("{\"__metadata__\":{\"x\":1}}", 0), "\"x\" is not a string"},
      {F::kMetadataNotString, file_of("{\"__metadata__\":[]}", 0), "object of strings"},
  };
}

TEST(Safetensors, EveryFaultHasItsOwnError) {
  std::vector<bool> seen(static_cast<std::size_t>(SafetensorsFault::kMetadataNotString) + 1);
  for (const BadFile& bad : bad_files()) {
    seen[static_cast<std::size_t>(bad.fault)] = true;
    EXPECT_EQ(Safetensors::check(bad.bytes), bad.fault) << bad.bytes;
    const auto file = Safetensors::from_bytes(bad.bytes, "w.safetensors");
    ASSERT_FALSE(file.ok()) << bad.bytes;
    EXPECT_EQ(file.error().kind(), ErrorKind::kBadData);
    EXPECT_EQ(file.error().file(), "w.safetensors");
    EXPECT_NE(file.error().what().find(bad.message), std::string::npos) << file.error().what();
    EXPECT_FALSE(file.error().hint().empty());
  }
  for (std::size_t i = 1; i < seen.size(); ++i) EXPECT_TRUE(seen[i]) << "no test file for fault " << i;
  EXPECT_EQ(seen.size() - 1, 14U);
}

TEST(Safetensors, AcceptsWhatTheFormatAllows) {
  EXPECT_EQ(Safetensors::check(file_of("{}", 0)), SafetensorsFault::kNone);
  EXPECT_EQ(Safetensors::check(file_of("{}      ", 0)), SafetensorsFault::kNone);
  EXPECT_EQ(Safetensors::check(file_of("{\"a\":{\"dtype\":\"F4\",\"shape\":[2],\"data_offsets\":[0,1]}}", 1)),
            SafetensorsFault::kNone);
  // Empty tensors share an offset without overlapping.
  EXPECT_EQ(Safetensors::check(file_of("{\"a\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[1,1]},"
                                       "\"b\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
                                       "\"c\":{\"dtype\":\"U8\",\"shape\":[5,0],\"data_offsets\":[1,1]}}",
                                       1)),
            SafetensorsFault::kNone);
}

TEST(Safetensors, TruncationAnywhereIsATypedError) {
  const std::string bytes = two_tensors();
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const std::string cut = bytes.substr(0, size);  // its own allocation, so that reading past it is seen
    EXPECT_NE(Safetensors::check(cut), SafetensorsFault::kNone) << size;
  }
}

TEST(Safetensors, MutatedHeadersAreErrorsOrConsistentFiles) {
  const std::string bytes = two_tensors();
  Random random(11);
  std::size_t refused = 0;
  for (int round = 0; round < 10000; ++round) {
    std::string mutated = bytes;
    const std::size_t at = random.below(mutated.size() - 31);
    if (round % 2) {
      mutated[at] = static_cast<char>(mutated[at] ^ (1 << random.below(8)));
    } else {
      mutated[at] = "0123456789[]{}\",:x"[random.below(18)];
    }
    const auto file = Safetensors::from_bytes(mutated);
    if (!file.ok()) {
      ++refused;
      continue;
    }
    std::size_t total = 0;
    for (const std::string& name : file->names()) {
      const TensorView* view = file->find(name);
      ASSERT_GE(view->bytes.data(), mutated.data());
      ASSERT_LE(view->bytes.data() + view->bytes.size(), mutated.data() + mutated.size());
      total += view->bytes.size();
    }
    ASSERT_EQ(total, 31U);
  }
  EXPECT_GT(refused, 5000U);
}

// tests/golden/make_safetensors_verdicts.py
TEST(Safetensors, AgreesWithTheReferenceReaderOnMutatedFiles) {
  std::ifstream verdicts(std::string(SMIDGEN_SOURCE_DIR) + "/tests/golden/safetensors_verdicts.txt");
  std::size_t ok = 0, bad = 0;
  for (std::string line; std::getline(verdicts, line);) {
    std::string bytes;
    for (std::size_t i = line.find(' ') + 1; i + 1 < line.size(); i += 2)
      bytes += static_cast<char>(std::stoi(line.substr(i, 2), nullptr, 16));
    const bool wanted = line.starts_with("ok");
    ++(wanted ? ok : bad);
    EXPECT_EQ(Safetensors::check(bytes) == SafetensorsFault::kNone, wanted) << line << "\n" << bytes.substr(8);
  }
  EXPECT_GT(ok, 20U);
  EXPECT_GT(bad, 500U);
}

TEST(Safetensors, ReadsHalfAndDoublePrecision) {
  const std::uint16_t half[] = {0x3c00, 0xc000, 0x0001, 0x7bff, 0x8000, 0x0400};
  const std::uint16_t brain[] = {0x3f80, 0xc000};
  const double wide[] = {0.1, -3};
  const auto raw = [](const auto& values) {
    return std::string_view(reinterpret_cast<const char*>(values), sizeof values);
  };
  const std::string bytes = safetensors_bytes(
      {{"h", DType::kF16, {6}, raw(half)}, {"b", DType::kBF16, {2}, raw(brain)}, {"d", DType::kF64, {2}, raw(wide)}});
  const auto file = Safetensors::from_bytes(bytes);
  ASSERT_TRUE(file.ok());
  EXPECT_EQ(*file->floats("h", {6}), (std::vector<float>{1, -2, 0x1p-24F, 65504, -0.0F, 0x1p-14F}));
  EXPECT_EQ(*file->floats("b", {2}), (std::vector<float>{1, -2}));
  EXPECT_EQ(*file->floats("d", {2}), (std::vector<float>{0.1F, -3}));
}

TEST(Safetensors, RefusesNumbersThatAreNone) {
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
                          -std::numeric_limits<float>::infinity(), 3e37F, -1.1e6F}) {
    std::vector<float> values(3000, 1.0F);
    values[2345] = bad;
    const std::string bytes =
        safetensors_bytes({{"layer.weight", DType::kF32, {3000}, as_bytes(std::span<const float>(values))}});
    const auto read = Safetensors::from_bytes(bytes, "m.safetensors")->floats("layer.weight", {3000});
    ASSERT_FALSE(read.ok());
    const std::string what = std::isfinite(bad) ? "a number beyond a million" : "NaN or infinity";
    EXPECT_EQ(read.error().what(), "tensor \"layer.weight\" holds " + what + " at element 2345");
  }
}

}  // namespace
}  // namespace smidgen
