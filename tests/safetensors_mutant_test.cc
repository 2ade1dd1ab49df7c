// The mutants of the fuzzer are worth fuzzing with: most pass the header, and the others are refused for every reason.
#include "fuzz/safetensors_mutant.h"

#include <gtest/gtest.h>

#include <array>
#include <fstream>
#include <iterator>

namespace smidgen {
namespace {

TEST(SafetensorsMutant, SeventyPercentPassTheHeaderAndTheRestIsTyped) {
  std::ifstream file(SMIDGEN_SOURCE_DIR "/tests/golden/architectures/bert-questions/model.safetensors",
                     std::ios::binary);
  const std::string model{std::istreambuf_iterator<char>(file), {}};
  ASSERT_TRUE(Safetensors::from_bytes(model).ok());
  constexpr int kMutants = 4000;
  int passed = 0, distinct = 0;
  std::array<int, static_cast<std::size_t>(SafetensorsFault::kMetadataNotString) + 1> faults{};
  std::string bytes = model, last;
  for (int i = 0; i < kMutants; ++i) {
    if (i % 50 == 0) bytes = i % 100 == 0 ? model : "";  // a chain of mutants, as the fuzzer makes it
    std::string mutant = fuzz::SafetensorsMutant(bytes, static_cast<std::uint64_t>(i)).make();
    const SafetensorsFault fault = Safetensors::check(mutant);
    ++faults[static_cast<std::size_t>(fault)];
    const auto read = Safetensors::from_bytes(mutant);
    ASSERT_EQ(read.ok(), fault == SafetensorsFault::kNone);
    if (!read.ok()) {
      EXPECT_EQ(read.error().kind(), ErrorKind::kBadData);
      continue;
    }
    ++passed;
    distinct += mutant != last;
    for (const std::string& name : read->names()) {
      const TensorView* view = read->find(name);
      const auto values = read->floats(name, view->shape);
      EXPECT_TRUE(!values.ok() || values->size() == view->count());
    }
    last = bytes = std::move(mutant);
  }
  EXPECT_GE(passed, kMutants * 7 / 10);
  EXPECT_LE(passed, kMutants * 9 / 10) << "faults are worth seeing too";
  EXPECT_GE(distinct, passed * 9 / 10);
  using F = SafetensorsFault;
  for (const F fault : {F::kHeaderNotJson, F::kHole, F::kOverlap, F::kPastEnd, F::kShapeSize, F::kOverflow, F::kSubByte,
                        F::kDuplicate, F::kMetadataNotString})
    EXPECT_GT(faults[static_cast<std::size_t>(fault)], 0) << static_cast<int>(fault);
}

}  // namespace
}  // namespace smidgen
