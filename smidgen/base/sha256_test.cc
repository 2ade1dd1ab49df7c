#include "smidgen/base/sha256.h"

#include <gtest/gtest.h>

namespace smidgen {
namespace {

TEST(Sha256, KnownAnswers) {  // FIPS 180-4 examples
  EXPECT_EQ(sha256_hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Sha256, InPiecesAndAgain) {
  Sha256 hasher;
  for (int round = 0; round < 2; ++round) {
    hasher.add("a");
    hasher.add("");
    hasher.add("bc");
    EXPECT_EQ(to_hex(hasher.finish()), sha256_hex("abc"));
  }
}

TEST(Sha256, MissingFileIsNoInput) {
  const auto result = sha256_file("/nonexistent/file");
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().kind(), ErrorKind::kNoInput);
}

}  // namespace
}  // namespace smidgen
