#include "smidgen/app/answers_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <iterator>

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
    temporary_ = path_ + ".smidgen.tmp";
    note_ = temporary_ + ".json";
  }
  void TearDown() override { fs::remove_all(folder_); }

  Result<std::unique_ptr<AnswersFile>> open(const std::string& run, bool force = false) const {
    return AnswersFile::open(path_, {.run = AnswersFile::Run{run, "rows"}, .force = force});
  }
  // What a run leaves that is stopped after two lines of three; the third is torn.
  void stop() const {
    const auto answers = open("a run", true);
    ASSERT_TRUE(answers.ok()) << answers.error().message();
    ASSERT_TRUE((*answers)->write("one\ntwo\n").ok());
    (*answers)->keep(counts_);
    ASSERT_EQ((*answers)->rows_kept(), 2U);
    ASSERT_TRUE((*answers)->write("thr").ok());
  }
  std::size_t files() const { return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder_), {})); }

  fs::path folder_;
  std::string path_, temporary_, note_;
  const PipelineCounts counts_ = {.rows = 2,
                                  .bad = 1,
                                  .first_bad = "line 1: <\"b\u00e4d\">",
                                  .escalated = 1,
                                  .cut = 1,
                                  .empty = 1,
                                  .entities = 0,
                                  .rows_at_rung = {1, 0}};
};

TEST_F(AnswersFileTest, KeepsAFileThatCameMeanwhile) {
  for (const bool rereadable : {true, false}) {
    auto answers = rereadable ? open("a run") : AnswersFile::open(path_, {.run = std::nullopt});
    ASSERT_TRUE(answers.ok()) << answers.error().message();
    ASSERT_TRUE((*answers)->write("one\ntwo\n").ok());
    ASSERT_TRUE(write_file_atomic(path_, "of somebody else").ok());
    const Status status = (*answers)->commit();
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().exit_code(), 73);
    EXPECT_NE(status.error().message().find(temporary_), std::string::npos) << status.error().message();
    (*answers)->keep(counts_);
    EXPECT_EQ((*answers)->rows_kept(), rereadable ? 2U : 0U);
    (*answers).reset();
    EXPECT_EQ(*read_file(path_, 100), "of somebody else");
    EXPECT_EQ(*read_file(temporary_, 100), "one\ntwo\n");
    EXPECT_EQ(fs::exists(note_), rereadable);
    fs::remove(path_);
    if (rereadable) {
      answers = open("a run");
      ASSERT_TRUE(answers.ok()) << answers.error().message();
      EXPECT_EQ((*answers)->before().rows, 2U);
      ASSERT_TRUE((*answers)->commit().ok());
      EXPECT_EQ(*read_file(path_, 100), "one\ntwo\n");
      fs::remove(path_);
    }
  }
}

TEST_F(AnswersFileTest, GoesOnAfterTheLastWholeAnswers) {
  stop();
  EXPECT_FALSE(fs::exists(path_));
  EXPECT_EQ(*read_file(temporary_, 100), "one\ntwo\nthr");
  const auto answers = open("a run");
  ASSERT_TRUE(answers.ok()) << answers.error().message();
  const PipelineCounts& before = (*answers)->before();
  EXPECT_EQ(before.rows, 2U);
  EXPECT_EQ(before.bad, 1U);
  EXPECT_EQ(before.first_bad, counts_.first_bad);
  EXPECT_EQ(before.escalated + before.cut + before.empty, 3U);
  EXPECT_EQ(before.entities, 0U);
  EXPECT_EQ(before.rows_at_rung, counts_.rows_at_rung);
  ASSERT_TRUE((*answers)->write("three\n").ok());
  ASSERT_TRUE((*answers)->commit().ok());
  EXPECT_EQ(*read_file(path_, 100), "one\ntwo\nthree\n");
  EXPECT_EQ(files(), 1U);
}

TEST_F(AnswersFileTest, NotesFromTimeToTimeAndAKillCostsWhatCameSince) {
  const pid_t child = fork();
  if (child == 0) {
    const auto answers = AnswersFile::open(path_, {.run = AnswersFile::Run{"a run", "rows"}, .pause = 0});
    bool good = (*answers)->write("one\ntwo\n").ok();
    const auto noted = [&] { return read_file(note_, 10000)->find("\"rows\":2") != std::string::npos; };
    for (int tries = 0; tries < 1000 && !noted(); ++tries) {  // notes may take 2 % of the time and no more
      ::usleep(10000);
      (*answers)->written(counts_);
    }
    good = good && (*answers)->write("three\n").ok();
    _exit(good ? 0 : 1);  // as if killed: no destructor runs
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_EQ(status, 0);
  {
    const auto answers = AnswersFile::open(path_, {.run = AnswersFile::Run{"a run", "rows"}, .pause = 1000});
    ASSERT_TRUE(answers.ok()) << answers.error().message();
    EXPECT_EQ((*answers)->before().rows, 2U);
    EXPECT_EQ(fs::file_size(temporary_), 8U);
    PipelineCounts counts = counts_;
    counts.rows = 3;
    ASSERT_TRUE((*answers)->write("three\n").ok());
    (*answers)->written(counts);  // it is not time yet
  }                               // whatever ends it, what was noted stays
  EXPECT_EQ((*open("a run"))->before().rows, 2U);
}

TEST_F(AnswersFileTest, AKillBeforeTheFirstAnswersLeavesNothingToAskFor) {
  const pid_t child = fork();
  if (child == 0) {
    const auto answers = open("a run");
    _exit((*answers)->write("one\n").ok() ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_EQ(status, 0);
  EXPECT_EQ(files(), 2U);
  {
    const auto answers = open("another run");
    ASSERT_TRUE(answers.ok()) << answers.error().message();
    EXPECT_EQ((*answers)->before().rows, 0U);
    EXPECT_EQ(fs::file_size(temporary_), 0U);
  }
  EXPECT_EQ(files(), 0U);
}

TEST_F(AnswersFileTest, AnotherRunIsRefusedUnlessItIsForced) {
  stop();
  for (const bool kept : {true, false}) {
    const auto refused = kept ? open("another run") : AnswersFile::open(path_, {});
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().exit_code(), 73);
    EXPECT_NE(refused.error().message().find("2 answers of another run"), std::string::npos)
        << refused.error().message();
    EXPECT_EQ(*read_file(temporary_, 100), "one\ntwo\nthr");
  }
  {
    const auto other = open("another run", true);
    ASSERT_TRUE(other.ok());
    EXPECT_EQ((*other)->before().rows, 0U);
    ASSERT_TRUE((*other)->write("ONE\nTWO\nTHREE\n").ok());
    (*other)->keep(counts_);
    ASSERT_EQ((*other)->rows_kept(), 2U);
  }
  EXPECT_FALSE(open("a run").ok());  // these are no longer its answers
  EXPECT_EQ((*open("another run"))->before().rows, 2U);
}

TEST_F(AnswersFileTest, TheSameCommandOverOtherRowsBeginsAgain) {
  stop();
  const auto answers = AnswersFile::open(path_, {.run = AnswersFile::Run{"a run", "other rows"}});
  ASSERT_TRUE(answers.ok()) << answers.error().message();
  EXPECT_TRUE((*answers)->started_over());
  EXPECT_EQ((*answers)->before().rows, 0U);
  EXPECT_EQ(fs::file_size(temporary_), 0U);
}

// Somebody removes what is written, and another run takes its place: neither takes the other's for its own.
TEST_F(AnswersFileTest, AnswersThatWereRemovedAreMissed) {
  const auto first = open("a run");
  ASSERT_TRUE((*first)->write("one\n").ok());
  fs::remove(temporary_);
  const auto second = open("another run");
  ASSERT_TRUE(second.ok()) << second.error().message();
  ASSERT_TRUE((*second)->write("ONE\n").ok());
  (*first)->keep(counts_);
  EXPECT_EQ((*first)->rows_kept(), 0U);
  EXPECT_EQ((*first)->commit().error().exit_code(), 74);
  EXPECT_TRUE(fs::exists(note_));
  ASSERT_TRUE((*second)->commit().ok());
  EXPECT_EQ(*read_file(path_, 100), "ONE\n");
  EXPECT_EQ(files(), 1U);
}

TEST_F(AnswersFileTest, LinksAndFoldersAreNotWrittenThrough) {
  ASSERT_TRUE(write_file_atomic((folder_ / "precious").string(), "x").ok());
  for (const char* target : {"precious", "nowhere"}) {
    fs::create_symlink(folder_ / target, note_);
    EXPECT_FALSE(open("a run", true).ok());
    fs::remove(note_);
  }
  fs::create_directory(note_);
  EXPECT_FALSE(open("a run", true).ok());
  fs::remove(note_);
  ASSERT_EQ(::mkfifo(temporary_.c_str(), 0600), 0);
  EXPECT_FALSE(open("a run", true).ok());
  EXPECT_TRUE(fs::exists(temporary_));
  EXPECT_EQ(*read_file((folder_ / "precious").string(), 100), "x");
}

TEST_F(AnswersFileTest, AFileThatMayNotBeWrittenIsGoneOnWithAndStaysSo) {
  ASSERT_TRUE(write_file_atomic(path_, "old").ok());
  fs::permissions(path_, fs::perms::owner_read);
  stop();
  EXPECT_EQ(fs::status(temporary_).permissions(), fs::perms::owner_read | fs::perms::owner_write);
  const auto answers = open("a run", true);
  ASSERT_TRUE(answers.ok());
  ASSERT_TRUE((*answers)->commit().ok());
  EXPECT_EQ(fs::status(path_).permissions(), fs::perms::owner_read);
}

TEST_F(AnswersFileTest, ARunWhoseRowsCannotBeReadAgainLeavesNothing) {
  {
    const auto answers = AnswersFile::open(path_, {});
    ASSERT_TRUE(answers.ok());
    ASSERT_TRUE((*answers)->write("one\n").ok());
    (*answers)->keep(counts_);
    EXPECT_EQ((*answers)->rows_kept(), 0U);
  }
  EXPECT_EQ(files(), 0U);
}

TEST_F(AnswersFileTest, DiscardedAnswersAreGone) {
  stop();
  {
    const auto answers = open("a run");
    ASSERT_TRUE(answers.ok());
    (*answers)->discard();
    (*answers)->keep(counts_);
    EXPECT_EQ((*answers)->rows_kept(), 0U);
  }
  EXPECT_EQ(files(), 0U);
}

// What stands under these names by chance is somebody's.
TEST_F(AnswersFileTest, FilesOfOthersStay) {
  ASSERT_TRUE(write_file_atomic(note_, "{\"precious\":1}").ok());
  EXPECT_FALSE(open("a run").ok());
  EXPECT_EQ(files(), 1U);
  fs::remove(note_);
  ASSERT_TRUE(write_file_atomic(temporary_, "precious").ok());
  EXPECT_FALSE(open("a run").ok());
  EXPECT_EQ(*read_file(temporary_, 100), "precious");
  EXPECT_EQ(files(), 1U);
}

TEST_F(AnswersFileTest, ADamagedNoteIsNotTrusted) {
  stop();
  const std::string good = *read_file(note_, 10000), run = good.substr(0, good.find(",\"bytes\""));
  const auto with = [&](const std::string& bytes, const std::string& rows, const std::string& rungs) {
    return run + ",\"bytes\":" + bytes + ",\"rows\":" + rows +
           ",\"bad\":0,\"escalated\":0,\"cut\":0,\"empty\":0,\"entities\":0,\"rows_at_rung\":" + rungs +
           ",\"first_bad\":\"\"}";
  };
  for (const std::string& text :
       {std::string("{"), std::string(""), std::string("[]"), std::string("{}"), good.substr(0, good.size() / 2),
        with("12", "2", "[2]"), with("8", "9", "[9]"), with("8", "-2", "[2]"), with("8", "2", "2"),
        with("8", "2", "[\"2\"]"), with("8", "2", "[2],\"rows\":2")}) {
    ASSERT_TRUE(write_file_atomic(note_, text).ok());
    EXPECT_FALSE(open("a run").ok()) << text;
    EXPECT_EQ(*read_file(temporary_, 100), "one\ntwo\nthr") << text;
  }
  ASSERT_TRUE(write_file_atomic(note_, with("8", "2", "[2]")).ok());
  EXPECT_TRUE(open("a run").ok());
}

}  // namespace
}  // namespace smidgen
