#include "smidgen/app/answers_file.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "smidgen/base/file.h"

namespace smidgen {
namespace {

namespace fs = std::filesystem;

class AnswersFileTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("smidgen_answers_" + std::to_string(::getpid()));
    fs::create_directories(folder_);
    path_ = (folder_ / "answers.jsonl").string();
  }
  void TearDown() override { fs::remove_all(folder_); }

  // What a run leaves that is stopped after two lines of three; the third is torn.
  void stop(const std::string& run = "a run") const {
    auto answers = AnswersFile::open(path_, run);
    ASSERT_TRUE(answers.ok()) << answers.error().message();
    ASSERT_TRUE(answers->write("one\ntwo\n").ok());
    ASSERT_TRUE(answers->keep(counts_));
    ASSERT_TRUE(answers->write("thr").ok());
  }
  std::size_t files() const { return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder_), {})); }
  std::string note() const { return path_ + ".smidgen.json"; }

  fs::path folder_;
  std::string path_;
  const PipelineCounts counts_{2,
                               1,
                               "line 1: <\"b\xC3\xA4"
                               "d\">",
                               1,
                               1,
                               1,
                               0,
                               {1, 0}};
};

TEST_F(AnswersFileTest, GoesOnAfterTheLastWholeAnswers) {
  stop();
  EXPECT_FALSE(fs::exists(path_));
  auto answers = AnswersFile::open(path_, "a run");
  ASSERT_TRUE(answers.ok()) << answers.error().message();
  EXPECT_FALSE(answers->started_over());
  const PipelineCounts& before = answers->before();
  EXPECT_EQ(before.rows, 2U);
  EXPECT_EQ(before.bad, 1U);
  EXPECT_EQ(before.first_bad, counts_.first_bad);
  EXPECT_EQ(before.escalated + before.cut + before.empty, 3U);
  EXPECT_EQ(before.entities, 0U);
  EXPECT_EQ(before.rows_at_rung, counts_.rows_at_rung);
  ASSERT_TRUE(answers->write("three\n").ok());
  ASSERT_TRUE(answers->commit().ok());
  EXPECT_EQ(*read_file(path_, 100), "one\ntwo\nthree\n");
  EXPECT_EQ(files(), 1U);
}

TEST_F(AnswersFileTest, AnotherRunStartsOverAndTheFirstDoesNotTakeItsAnswersForItsOwn) {
  stop();
  {
    auto other = AnswersFile::open(path_, "another run");
    ASSERT_TRUE(other.ok());
    EXPECT_TRUE(other->started_over());
    EXPECT_EQ(other->before().rows, 0U);
    ASSERT_TRUE(other->write("ONE\nTWO\nTHREE\n").ok());
    ASSERT_TRUE(other->keep(counts_));
  }
  auto first = AnswersFile::open(path_, "a run");
  ASSERT_TRUE(first.ok());
  EXPECT_TRUE(first->started_over());
  EXPECT_EQ(first->before().rows, 0U);
}

TEST_F(AnswersFileTest, ARunThatIsNotKeptLeavesNothingAndTakesNothing) {
  stop();
  {
    auto answers = AnswersFile::open(path_, "");
    ASSERT_TRUE(answers.ok());
    EXPECT_EQ(answers->before().rows, 0U);
    EXPECT_FALSE(answers->started_over());
    ASSERT_TRUE(answers->write("one\n").ok());
    EXPECT_FALSE(answers->keep(counts_));
  }
  EXPECT_EQ(files(), 0U);
}

TEST_F(AnswersFileTest, DiscardedAnswersAreGone) {
  stop();
  {
    auto answers = AnswersFile::open(path_, "a run");
    ASSERT_TRUE(answers.ok());
    answers->discard();
  }
  EXPECT_EQ(files(), 0U);
}

TEST_F(AnswersFileTest, ADamagedNoteStartsOver) {
  stop();
  const std::string good = *read_file(note(), 10000);
  const std::string run = good.substr(0, good.find(",\"bytes\""));
  for (
      const std::string& text : {
          std::string("{"),
          std::string(""),
          std::string("[]"),
          std::string("{}"),
          good.substr(0, good.size() / 2),
          run +
              R"(,"bytes":9,"rows":2,"bad":0,"escalated":0,"cut":0,"empty":0,"entities":0,"rows_at_rung":[2],"first_bad":""})",
          run +
              R"(,"bytes":8,"rows":-2,"bad":0,"escalated":0,"cut":0,"empty":0,"entities":0,"rows_at_rung":[2],"first_bad":""})",
          run +
              R"(,"bytes":8,"rows":2,"bad":0,"escalated":0,"cut":0,"empty":0,"entities":0,"rows_at_rung":2,"first_bad":""})",
          run +
              R"(,"bytes":8,"rows":2,"bad":0,"escalated":0,"cut":0,"empty":0,"entities":0,"rows_at_rung":["2"],"first_bad":""})",
      }) {
    stop();
    fs::resize_file(path_ + ".smidgen.tmp", 8);
    ASSERT_TRUE(write_file_atomic(note(), text).ok());
    auto answers = AnswersFile::open(path_, "a run");
    ASSERT_TRUE(answers.ok()) << text;
    EXPECT_TRUE(answers->started_over()) << text;
    EXPECT_EQ(answers->before().rows, 0U) << text;
    EXPECT_EQ(fs::file_size(answers->kept_in()), 0U) << text;
  }
}

}  // namespace
}  // namespace smidgen
