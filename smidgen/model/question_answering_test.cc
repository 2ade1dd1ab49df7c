// Answers against the pipeline of transformers 4.57 (tests/golden/make_questions.py), and what is refused.
// bench/question_answering.py does the same on 500 real questions.
#include "smidgen/model/question_answering.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "smidgen/base/file.h"
#include "smidgen/base/json.h"

namespace smidgen {
namespace {

namespace fs = std::filesystem;

const std::string kGolden = std::string(SMIDGEN_SOURCE_DIR) + "/tests/golden/";

std::size_t whole(simdjson::dom::element object, const char* key) {
  return static_cast<std::size_t>(*json_integer(object, key, 0, 1 << 20));
}

void expect_answers(const std::vector<PassageAnswer>& got, simdjson::dom::element wanted, const std::string& passage) {
  std::size_t i = 0;
  for (const auto answer : simdjson::dom::array(wanted)) {
    const double score = *json_number(answer, "score", 0, 2);
    if (score == 0) continue;  // the reference fills up with spans that are none
    const std::string text = *json_string(answer, "answer");
    ASSERT_LT(i, got.size()) << text;
    EXPECT_EQ(got[i].text, text);
    EXPECT_EQ(got[i].begin, whole(answer, "start")) << text;
    EXPECT_EQ(got[i].end, whole(answer, "end")) << text;
    EXPECT_NEAR(got[i].score, score, 1e-5) << text;
    EXPECT_EQ(got[i].answerable, !text.empty());
    EXPECT_EQ(passage.substr(got[i].begin_byte, got[i].end_byte - got[i].begin_byte), text);
    ++i;
  }
}

// WordPiece, byte-level BPE and Unigram make words of tokens in ways of their own.
class EveryTokenizer : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Questions, EveryTokenizer,
                         testing::Values("tiny_questions", "tiny_questions_bpe", "tiny_questions_unigram"),
                         [](const auto& tested) { return std::string(tested.param); });

TEST_P(EveryTokenizer, FindsTheSpansOfTheReference) {
  const std::string folder = kGolden + GetParam();
  const auto model = QuestionAnswerer::load(folder);
  ASSERT_TRUE(model.ok()) << model.error().message();
  const auto cases = JsonDocument::load(folder + "/expected.json", 1 << 20);
  QuestionAnswerer::Scratch scratch;
  std::size_t count = 0, unanswered = 0;
  for (const auto item : simdjson::dom::array(cases->root())) {
    QuestionOptions options;
    options.window = whole(item, "window");
    options.stride = whole(item, "stride");
    options.top = whole(item, "top");
    options.answer_tokens_max = whole(item, "answer_tokens_max");
    options.no_answer = *json_bool(item, "no_answer");
    const std::string passage = *json_string(item, "passage");
    SCOPED_TRACE("case " + std::to_string(count) + ": " + passage);
    const auto answers = model->answer(*json_string(item, "question"), passage, options, scratch);
    ASSERT_TRUE(answers.ok()) << answers.error().message();
    expect_answers(*answers, item["answers"], passage);
    unanswered += answers->front().answerable ? 0 : 1;
    ++count;
  }
  EXPECT_EQ(count, 24U);
  EXPECT_GT(unanswered, 0U);
}

TEST(QuestionAnswerer, AnEmptyPassageHasNoAnswer) {
  const auto model = QuestionAnswerer::load(kGolden + "tiny_questions");
  QuestionAnswerer::Scratch scratch;
  for (const char* passage : {"", " \n\t "}) {
    QuestionOptions options;
    options.no_answer = false;
    const auto answers = model->answer("good", passage, options, scratch);
    ASSERT_TRUE(answers.ok()) << answers.error().message();
    ASSERT_EQ(answers->size(), 1U);
    EXPECT_FALSE(answers->front().answerable);
    EXPECT_EQ(answers->front().text, "");
  }
}

// A passage that fits is read once, whatever the stride.
TEST(QuestionAnswerer, AnswersPassagesAsLongAsTheStride) {
  const auto model = QuestionAnswerer::load(kGolden + "tiny_questions");
  QuestionAnswerer::Scratch scratch;
  for (const std::size_t tokens : {7U, 8U, 9U}) {
    const std::string passage(tokens, '.');
    EXPECT_TRUE(model->answer("good", passage, {.window = 32, .stride = 8}, scratch).ok());
  }
}

TEST(QuestionAnswerer, RefusesWhatItCannotDo) {
  const auto model = QuestionAnswerer::load(kGolden + "tiny_questions");
  QuestionAnswerer::Scratch scratch;
  const auto refusal = [&](std::string_view question, std::string_view passage, const QuestionOptions& options) {
    const auto answers = model->answer(question, passage, options, scratch);
    return answers.ok() ? "answered" : answers.error().message();
  };
  EXPECT_EQ(refusal("good", "bad \xff refund", {}), "the passage is not UTF-8 (byte 4); convert it to UTF-8");
  EXPECT_EQ(refusal("good", "bad", {.window = 65}), "a window of 65 tokens; this model reads 64");
  EXPECT_EQ(refusal("good", "bad", {.top = 0}), "the number of answers must be in 1..1000");
  const std::string passage(40, 'a');
  EXPECT_NE(
      refusal("good", passage, {.window = 12, .stride = 8}).find("a stride of 8 tokens; a window of 12 holds only 8"),
      std::string::npos);
  EXPECT_EQ(refusal("good", passage, {.window = 12, .stride = 7}), "answered");
  EXPECT_NE(refusal(std::string(80, '.'), passage, {}), "answered");
  // Nobody asked for the stride that is usual: beside a long question it gives way, down to a window of one token.
  for (const std::size_t tokens : {29U, 40U, 59U, 60U})
    EXPECT_EQ(refusal(std::string(tokens, '.'), std::string(100, '.'), {}), "answered") << tokens;
}

// Without a special token in front nothing stands for "no answer".
TEST(QuestionAnswerer, RefusesPairsWithoutAFirstSpecialToken) {
  namespace fs = std::filesystem;
  const fs::path folder = fs::path(testing::TempDir()) / ("smidgen_no_specials_" + std::to_string(getpid()));
  fs::remove_all(folder);
  fs::copy(kGolden + "tiny_questions", folder, fs::copy_options::recursive);
  std::ifstream in(folder / "tokenizer.json");
  nlohmann::json tokenizer = nlohmann::json::parse(in);
  tokenizer["post_processor"] = {
      {"type", "TemplateProcessing"},
      {"single", {{{"Sequence", {{"id", "A"}, {"type_id", 0}}}}}},
      {"pair", {{{"Sequence", {{"id", "A"}, {"type_id", 0}}}}, {{"Sequence", {{"id", "B"}, {"type_id", 1}}}}}},
      {"special_tokens", nlohmann::json::object()}};
  std::ofstream(folder / "tokenizer.json") << tokenizer;
  const auto model = QuestionAnswerer::load(folder.string());
  ASSERT_FALSE(model.ok());
  EXPECT_NE(model.error().what().find("no special token in front of a question"), std::string::npos)
      << model.error().message();
  fs::remove_all(folder);
}

// 256 is 0 to whoever keeps a byte of it.
TEST(QuestionAnswerer, RefusesSegmentsTheEncoderDoesNotHave) {
  const fs::path folder = fs::path(testing::TempDir()) / ("smidgen_segments_" + std::to_string(::getpid()));
  const std::string json = *read_file(kGolden + "tiny_questions/tokenizer.json", 1 << 20);
  const std::string one = "\"type_id\": 1";
  for (std::size_t at = json.find(one); at != std::string::npos; at = json.find(one, at + 1)) {
    for (const char* segment : {"2", "256"}) {
      fs::remove_all(folder);
      fs::copy(kGolden + "tiny_questions", folder);
      std::string changed = json;
      std::ofstream(folder / "tokenizer.json")
          << changed.replace(at, one.size(), "\"type_id\": " + std::string(segment));
      const auto model = QuestionAnswerer::load(folder.string());
      ASSERT_FALSE(model.ok());
      EXPECT_EQ(model.error().kind(), ErrorKind::kBadData);
      EXPECT_EQ(model.error().what(), "the tokenizer has segment " + std::string(segment) +
                                          " in a pair of texts, the encoder 2 segments, from 0 on");
    }
  }
  fs::remove_all(folder);
}

TEST(QuestionAnswerer, RefusesFoldersWithoutItsHead) {
  const auto no_head = QuestionAnswerer::load(kGolden + "architectures/bert-tokens");
  ASSERT_FALSE(no_head.ok());
  EXPECT_NE(no_head.error().message().find("a head for token classification, not for question answering"),
            std::string::npos);
  const auto plain = QuestionAnswerer::load(kGolden + "tiny_bert");
  ASSERT_FALSE(plain.ok());
  EXPECT_NE(plain.error().message().find("`architectures` names \"BertModel\", which has no head"), std::string::npos)
      << plain.error().message();
}

}  // namespace
}  // namespace smidgen
