// From labelled questions to a model that `ask` loads: windows, what is held out, what is written, what is refused.
#include "smidgen/learn/train_questions.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <set>

#include "smidgen/base/file.h"
#include "smidgen/learn/question_windows.h"
#include "smidgen/model/question_answering.h"
#include "smidgen/tensor/safetensors.h"

namespace smidgen {
namespace {

namespace fs = std::filesystem;

const std::string kTiny = std::string(SMIDGEN_SOURCE_DIR) + "/tests/golden/tiny_bert";

// One word of each passage is "refund", and the question asks for it; every fourth passage has none.
QuestionRows some_questions(std::size_t count, bool all_answered = false) {
  QuestionRows out;
  for (std::size_t i = 0; i < count; ++i) {
    std::string passage;
    const std::size_t place = i % 5;
    const bool answered = all_answered || i % 4 != 0;
    QuestionRow row{"the refund?", static_cast<std::uint32_t>(i), {}};
    for (std::size_t word = 0; word < 6; ++word) {
      if (!passage.empty()) passage += ' ';
      if (word == place && answered) {
        const auto at = static_cast<std::uint32_t>(passage.size());
        row.answers.push_back({"refund", at, at + 6});
        passage += "refund";
      } else {
        passage += static_cast<char>('a' + (i * 7 + word * 3) % 26);
      }
    }
    passage += " " + std::string(1, static_cast<char>('a' + i % 26)) + " " + std::string(1 + i / 26, '.');
    out.passages.push_back(passage);
    out.rows.push_back(std::move(row));
  }
  return out;
}

class TrainQuestions : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = testing::TempDir() + "/smidgen_train_questions_" + std::to_string(::getpid());
    fs::remove_all(folder_);
    fs::create_directories(folder_);
    options_.encoder = kTiny;
    options_.out = folder_ + "/model";
    options_.epochs = 2;
  }
  void TearDown() override { fs::remove_all(folder_); }

  Result<QuestionTrainingSummary> train(const QuestionRows& questions, std::size_t threads = 2) const {
    ThreadPool pool(threads);
    return train_questions(questions, options_, pool, {});
  }
  static std::string bytes(const std::string& path) { return *read_file(path, 1 << 24); }

  std::string folder_;
  QuestionTrainingOptions options_;
};

TEST_F(TrainQuestions, WindowsPointAtTheAnswerOrAtNothing) {
  const auto tokenizer = Tokenizer::load(kTiny);
  ASSERT_TRUE(tokenizer.ok());
  QuestionRows questions;
  questions.passages = {"a b c d e good refund f g h", "é good"};
  questions.rows = {{"the a?", 0, {{"good refund", 10, 21}, {"a", 0, 1}}}, {"b", 0, {}}, {"c", 1, {{"ood", 4, 7}}}};
  const std::vector<std::uint32_t> which = {0, 1, 2};
  ThreadPool pool(1);
  // [CLS] the a [UNK] [SEP] and [SEP] leave 5 of 11 for the passage; windows begin at its tokens 0, 2, 4, 5.
  const auto rows = window_questions(**tokenizer, questions, which, {11, 3}, true, pool, {});
  ASSERT_TRUE(rows.ok()) << rows.error().message();
  ASSERT_EQ(rows->ids.size(), rows->starts.size());
  std::size_t with = 0;
  for (std::size_t i = 0; i < rows->ids.size(); ++i) {
    ASSERT_LE(rows->ids[i].size(), 11U);
    ASSERT_EQ(rows->types[i].size(), rows->ids[i].size());
    if (rows->starts[i] == 0) {
      EXPECT_EQ(rows->ends[i], 0U);
      continue;
    }
    ++with;
    EXPECT_EQ(rows->types[i][rows->starts[i]], 1);
    EXPECT_EQ((*tokenizer)->token(rows->ids[i][rows->starts[i]]), "good");
    EXPECT_EQ((*tokenizer)->token(rows->ids[i][rows->ends[i]]), i + 1 == rows->ids.size() ? "good" : "refund");
  }
  EXPECT_GE(with, 3U);
  EXPECT_LT(with, rows->ids.size() - 1);
  questions.rows = {{"a", 0, {{" ", 1, 2}}}};
  const auto refused = window_questions(**tokenizer, questions, std::vector<std::uint32_t>{0}, {11, 3}, true, pool, {});
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().what(), "question 1: its answer has no token");
}

TEST_F(TrainQuestions, WhatIsHeldOutIsAMatterOfTheTextsAlone) {
  std::vector<std::string> passages;
  for (int i = 0; i < 40; ++i) passages.push_back("passage " + std::to_string(i));
  std::set<std::string> held, again;
  for (const std::uint32_t i : held_out_passages(passages, 0.2)) held.insert(passages[i]);
  EXPECT_EQ(held.size(), 8U);
  std::reverse(passages.begin(), passages.end());
  for (const std::uint32_t i : held_out_passages(passages, 0.2)) again.insert(passages[i]);
  EXPECT_EQ(held, again);
  EXPECT_TRUE(held_out_passages(passages, 0).empty());
  EXPECT_EQ(held_out_passages({"a", "b"}, 0.01).size(), 1U);
  EXPECT_TRUE(held_out_passages({"a"}, 0.5).empty());
}

TEST_F(TrainQuestions, PassagesOfTheSameWordsAreHeldOutTogether) {
  std::vector<std::string> passages;
  for (int i = 0; i < 40; ++i)
    for (const char* form : {"Passage %", "passage  % ", "\u00adPASSAGE\n%"}) {
      std::string text = form;
      text.replace(text.find('%'), 1, std::to_string(i));
      passages.push_back(text);
    }
  const std::vector<std::uint32_t> held = held_out_passages(passages, 0.25);
  ASSERT_EQ(held.size(), 30U);
  for (std::size_t i = 0; i < held.size(); i += 3) {
    EXPECT_EQ(held[i] % 3, 0U);
    EXPECT_EQ(held[i + 1], held[i] + 1);
    EXPECT_EQ(held[i + 2], held[i] + 2);
  }
}

// Whatever is changed of the rows held out, the model is the same to the byte.
TEST_F(TrainQuestions, NothingIsFittedOnWhatIsHeldOut) {
  QuestionRows questions = some_questions(60, true);
  options_.held_out = 0.25;
  const auto first = train(questions);
  ASSERT_TRUE(first.ok()) << first.error().message();
  const std::string weights = bytes(options_.out + "/model.safetensors"), config = bytes(options_.out + "/config.json");
  const std::vector<std::uint32_t> held = held_out_passages(questions.passages, 0.25);
  ASSERT_EQ(held.size(), 15U);
  for (std::size_t i = 0; i < held.size(); ++i) {
    QuestionRow& row = questions.rows[held[i]];
    row.question = "what else?";
    row.answers.clear();
    if (i % 2 == 0) row.answers.push_back({questions.passages[held[i]].substr(0, 1), 0, 1});
  }
  options_.force = true;
  const auto second = train(questions);
  ASSERT_TRUE(second.ok()) << second.error().message();
  EXPECT_TRUE(weights == bytes(options_.out + "/model.safetensors"));
  EXPECT_TRUE(config == bytes(options_.out + "/config.json"));
  EXPECT_EQ(second->loss, first->loss);
  EXPECT_TRUE(first->must_answer);
  EXPECT_TRUE(second->must_answer);  // only held-out questions have no answer
  EXPECT_EQ(second->without_answer, 0U);
}

TEST_F(TrainQuestions, AHeldOutQuestionThatCannotBeAskedIsFoundBeforeTraining) {
  QuestionRows questions = some_questions(20);
  const std::uint32_t row = held_out_passages(questions.passages, 0.1).front();
  questions.rows[row].question = std::string(200, '.');
  Watcher watcher;
  bool tuned = false;
  watcher.progress = [&](const ProgressEvent& event) { tuned = tuned || event.stage == "fine-tuning"; };
  ThreadPool pool(2);
  const auto refused = train_questions(questions, options_, pool, watcher);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().what().find("question " + std::to_string(row + 1) + ": "), 0U) << refused.error().what();
  EXPECT_FALSE(tuned);
  EXPECT_FALSE(fs::exists(options_.out));
}

TEST_F(TrainQuestions, AWrongRowIsNamedByItsFileAndLine) {
  const std::string path = folder_ + "/rows.jsonl";
  std::ofstream(path) << R"({"question": "q", "context": "good bad", "answers": []})"
                      << "\n\n"
                      << R"({"question": "q", "context": "a b", "answers": [{"text": " ", "answer_start": 1}]})"
                      << "\n";
  const auto questions = read_question_rows(path);
  ASSERT_TRUE(questions.ok()) << questions.error().message();
  options_.held_out = 0;
  const auto refused = train(*questions);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().message(), path + ":3: its answer has no token; correct the answer");
}

TEST_F(TrainQuestions, WhatCameIntoTheFolderDuringTrainingStays) {
  const QuestionRows questions = some_questions(20);
  ASSERT_TRUE(train(questions).ok());
  options_.force = true;
  Watcher watcher;
  watcher.progress = [&](const ProgressEvent& event) {
    if (event.stage == "fine-tuning") std::ofstream(options_.out + "/thesis.txt") << "years of work";
  };
  ThreadPool pool(2);
  const auto refused = train_questions(questions, options_, pool, watcher);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().what(), "holds \"thesis.txt\", which training does not write");
  EXPECT_EQ(bytes(options_.out + "/thesis.txt"), "years of work");
  EXPECT_TRUE(fs::exists(options_.out + "/model.safetensors"));
}

TEST_F(TrainQuestions, StopsWhileItReadsAndWhileItJudges) {
  for (const std::string stage : {"reading passages", "judging"}) {
    Watcher watcher;
    std::string at;
    double fraction = 0;
    watcher.progress = [&](const ProgressEvent& event) {
      at = event.stage;
      if (at == stage) fraction = event.fraction;
    };
    watcher.cancelled = [&] { return at == stage && fraction > 0; };
    options_.held_out = 0.25;
    ThreadPool pool(1);
    const auto stopped = train_questions(some_questions(40), options_, pool, watcher);
    ASSERT_FALSE(stopped.ok()) << stage;
    EXPECT_EQ(stopped.error().kind(), ErrorKind::kCancelled) << stage;
    EXPECT_LT(fraction, 0.2) << stage;
  }
}

TEST_F(TrainQuestions, WritesAModelThatAskLoadsAndJudgesIt) {
  options_.epochs = 40;
  options_.held_out = 0.25;
  const auto summary = train(some_questions(120));
  ASSERT_TRUE(summary.ok()) << summary.error().message();
  EXPECT_EQ(summary->questions, 90U);
  EXPECT_EQ(summary->held.questions, 30U);
  EXPECT_EQ(summary->held.passages, 30U);
  EXPECT_FALSE(summary->must_answer);
  EXPECT_GT(summary->without_answer, 10U);
  EXPECT_EQ(summary->epochs, 40U);
  const auto model = QuestionAnswerer::load(options_.out);
  ASSERT_TRUE(model.ok()) << model.error().message();
  // What the judgement says is what the written model answers.
  const QuestionRows questions = some_questions(120);
  double exact = 0;
  for (const std::uint32_t passage : held_out_passages(questions.passages, 0.25)) {
    QuestionAnswerer::Scratch scratch;
    const auto answers = model->answer("the refund?", questions.passages[passage], {}, scratch);
    ASSERT_TRUE(answers.ok());
    exact += answer_quality(answers->front().text, questions.rows[passage].answers).exact / 30;
  }
  EXPECT_NEAR(summary->held.mean.exact, exact, 1e-12);
  EXPECT_GT(exact, 0.6);
  EXPECT_GE(summary->held.mean.f1, summary->held.mean.exact);
  EXPECT_NEAR(summary->held.error.exact, std::sqrt(exact * (1 - exact) / 29), 1e-9);  // one question a passage
  std::set<std::string> files;
  for (const auto& entry : fs::directory_iterator(options_.out)) files.insert(entry.path().filename().string());
  EXPECT_EQ(files, (std::set<std::string>{"config.json", "model.safetensors", "tokenizer.json", "vocab.txt"}));
  EXPECT_NE(bytes(options_.out + "/config.json").find("BertForQuestionAnswering"), std::string::npos);
  const auto weights = Safetensors::open(options_.out + "/model.safetensors");
  ASSERT_TRUE(weights.ok());
  EXPECT_TRUE(weights->has("qa_outputs.bias"));
  EXPECT_TRUE(weights->has("bert.embeddings.token_type_embeddings.weight"));
  for (const std::string& name : weights->names())
    EXPECT_TRUE(name.starts_with("bert.") || name.starts_with("qa_outputs.")) << name;
}

TEST_F(TrainQuestions, ThreadsChangeNoByte) {
  const QuestionRows questions = some_questions(60, true);
  const auto one = train(questions, 1);
  ASSERT_TRUE(one.ok()) << one.error().message();
  EXPECT_TRUE(one->must_answer);
  const std::string first = bytes(options_.out + "/model.safetensors");
  options_.force = true;
  ASSERT_TRUE(train(questions, 3).ok());
  EXPECT_TRUE(first == bytes(options_.out + "/model.safetensors"));
  options_.seed = 2;
  ASSERT_TRUE(train(questions, 3).ok());
  EXPECT_FALSE(first == bytes(options_.out + "/model.safetensors"));
}

TEST_F(TrainQuestions, GoesOnAfterAStop) {
  const QuestionRows questions = some_questions(60);
  ASSERT_TRUE(train(questions).ok());
  const std::string whole = bytes(options_.out + "/model.safetensors");
  options_.force = true;
  options_.state_folder = folder_ + "/state";
  Watcher stopping;
  bool tuning = false;
  stopping.progress = [&](const ProgressEvent& event) { tuning = event.stage == "fine-tuning"; };
  int asked = 0;
  stopping.cancelled = [&] { return tuning && ++asked >= 5; };
  ThreadPool pool(2);
  const auto stopped = train_questions(questions, options_, pool, stopping);
  ASSERT_FALSE(stopped.ok());
  EXPECT_EQ(stopped.error().kind(), ErrorKind::kCancelled);
  const auto again = train(questions);
  ASSERT_TRUE(again.ok()) << again.error().message();
  EXPECT_TRUE(again->resumed);
  EXPECT_TRUE(whole == bytes(options_.out + "/model.safetensors"));
  EXPECT_TRUE(fs::is_empty(options_.state_folder));
}

// Stopped in judging: nothing is replaced yet, and the same call judges what was trained.
TEST_F(TrainQuestions, StoppedWhileItJudgesItGoesOnWithJudging) {
  const QuestionRows questions = some_questions(60);
  options_.held_out = 0.25;
  const auto whole = train(questions);
  ASSERT_TRUE(whole.ok()) << whole.error().message();
  const std::string weights = bytes(options_.out + "/model.safetensors");
  options_.force = true;
  options_.epochs = 1;
  ASSERT_TRUE(train(questions).ok());
  const std::string old = bytes(options_.out + "/model.safetensors");
  options_.epochs = 2;
  options_.state_folder = folder_ + "/state";
  Watcher watcher;
  bool tuned = false;
  double judged = 0;
  watcher.progress = [&](const ProgressEvent& event) {
    tuned = tuned || event.stage == "fine-tuning";
    if (event.stage == "judging") judged = event.fraction;
  };
  watcher.cancelled = [&] { return judged > 0; };
  ThreadPool pool(2);
  const auto stopped = train_questions(questions, options_, pool, watcher);
  ASSERT_FALSE(stopped.ok());
  EXPECT_EQ(stopped.error().kind(), ErrorKind::kCancelled);
  EXPECT_TRUE(old == bytes(options_.out + "/model.safetensors"));
  tuned = false;
  watcher.cancelled = {};
  const auto rest = train_questions(questions, options_, pool, watcher);
  ASSERT_TRUE(rest.ok()) << rest.error().message();
  EXPECT_TRUE(rest->resumed);
  EXPECT_FALSE(tuned);
  EXPECT_EQ(rest->epochs, 2U);
  EXPECT_EQ(rest->held.mean.f1, whole->held.mean.f1);
  EXPECT_EQ(rest->held.questions, 15U);
  EXPECT_TRUE(weights == bytes(options_.out + "/model.safetensors"));
  EXPECT_TRUE(fs::is_empty(options_.state_folder));
}

TEST_F(TrainQuestions, ReplacesOnlyWhatItWrote) {
  const QuestionRows questions = some_questions(20);
  fs::create_directories(options_.out);
  auto refused = train(questions);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().kind(), ErrorKind::kCannotCreate);
  EXPECT_EQ(refused.error().what(), "already exists");
  options_.force = true;
  std::ofstream(options_.out + "/thesis.txt") << "years of work";
  refused = train(questions);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().what(), "holds \"thesis.txt\", which training does not write");
  EXPECT_EQ(bytes(options_.out + "/thesis.txt"), "years of work");
  options_.out = folder_ + "/nowhere/model";
  EXPECT_EQ(train(questions).error().what(), "the folder to write to does not exist");
}

TEST_F(TrainQuestions, RefusesWhatCannotBe) {
  options_.window = 41;
  const auto wide = train(some_questions(20));
  ASSERT_FALSE(wide.ok());
  EXPECT_EQ(wide.error().what(), "a window of 41 tokens; this model reads 40");
  EXPECT_FALSE(fs::exists(options_.out));
  options_.window = 0;
  QuestionRows questions = some_questions(20);
  for (QuestionRow& row : questions.rows) row.question = std::string(200, '.');
  const auto long_question = train(questions);
  ASSERT_FALSE(long_question.ok());
  EXPECT_EQ(long_question.error().what().find("question "), 0U) << long_question.error().message();
}

TEST_F(TrainQuestions, RefusesSegmentsTheEncoderDoesNotHave) {
  options_.encoder = folder_ + "/encoder";
  fs::copy(kTiny, options_.encoder, fs::copy_options::recursive);
  std::string json = bytes(kTiny + "/tokenizer.json");
  const std::string one = "\"type_id\": 1";
  ASSERT_NE(json.find(one), std::string::npos);
  std::ofstream(options_.encoder + "/tokenizer.json") << json.replace(json.find(one), one.size(), "\"type_id\": 256");
  const auto summary = train(some_questions(20));
  ASSERT_FALSE(summary.ok());
  EXPECT_EQ(summary.error().what(),
            "the tokenizer has segment 256 in a pair of texts, the encoder 2 segments, from 0 on");
}

TEST_F(TrainQuestions, EpochsFallWithTheRows) {
  EXPECT_EQ(question_epochs(100), 10U);
  EXPECT_EQ(question_epochs(88000), 2U);
  EXPECT_GT(question_epochs(1500), question_epochs(4000));
}

}  // namespace
}  // namespace smidgen
