#include "smidgen/app/demo_data.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "smidgen/app/models.h"
#include "smidgen/base/file.h"

namespace smidgen {
namespace {

namespace fs = std::filesystem;

TEST(DemoDataTest, KeepsClearRowsQuotesAndGroups) {
  const std::string folder = testing::TempDir() + "smidgen_demo_test." + std::to_string(::getpid());
  fs::create_directories(folder);
  ASSERT_TRUE(write_file_atomic(folder + "/tweets_GroundTruth.txt", "1\t2.5\tsay \"hi\", you\r\n2\t0.4\tmeh\r\n").ok());
  ASSERT_TRUE(
      write_file_atomic(folder + "/amazonReviewSnippets_GroundTruth.txt", "7_1\t-0.5\tbad\n7_2\t3\tgood\n").ok());
  ASSERT_TRUE(
      write_file_atomic(folder + "/movieReviewSnippets_GroundTruth.txt", "5\t-1\tcaf\xe9\n6\t1\tcaf\xc3\xa9\n").ok());
  ASSERT_TRUE(write_file_atomic(folder + "/nytEditorialSnippets_GroundTruth.txt", "").ok());
  const auto sentiment = make_demo_csv(DemoTask::kSentiment, folder);
  ASSERT_TRUE(sentiment.ok());
  EXPECT_EQ(sentiment->bytes,
            "text,label,group\n\"say \"\"hi\"\", you\",positive,tweet-1\nbad,negative,product_review-7\n"
            "good,positive,product_review-7\ncaf\xc3\xa9,negative,film_review-5\ncaf\xc3\xa9,positive,film_review-6\n");
  EXPECT_EQ(sentiment->rows, 5U);
  EXPECT_EQ(sentiment->groups, 4U);
  const auto kinds = make_demo_csv(DemoTask::kKinds, folder);
  ASSERT_TRUE(kinds.ok());
  EXPECT_EQ(kinds->rows, 6U);
  EXPECT_THAT(kinds->bytes, testing::HasSubstr("meh,tweet,tweet-2\n"));
  ASSERT_TRUE(write_file_atomic(folder + "/tweets_GroundTruth.txt", "1\t2.5\tx\n2\tmany\ty\n").ok());
  EXPECT_THAT(make_demo_csv(DemoTask::kKinds, folder).error().message(),
              testing::HasSubstr("tweets_GroundTruth.txt:2: the rating is no number"));
  fs::remove_all(folder);
}

TEST(DemoDataTest, TheRealFilesGiveTheKnownCounts) {
  if (!is_kept(demo_package())) GTEST_SKIP() << "no demo data here; fetch it with `smidgen pull demo-sentiment`";
  const auto sentiment = make_demo_csv(DemoTask::kSentiment, kept_folder(demo_package()));
  ASSERT_TRUE(sentiment.ok());
  EXPECT_EQ(sentiment->rows, 19459U);
  const auto kinds = make_demo_csv(DemoTask::kKinds, kept_folder(demo_package()));
  EXPECT_EQ(kinds->rows, 23703U);
}

}  // namespace
}  // namespace smidgen
