#include "smidgen/text/question_rows.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

#include "smidgen/base/json_write.h"

namespace smidgen {
namespace {

TEST(QuestionRows, ReadsTheNestedForm) {
  const auto rows = parse_question_rows(
      R"({"version": "v2.0", "data": [{"title": "t", "paragraphs": [
        {"context": "Él mora en Lima.", "qas": [
          {"id": "1", "question": "Where?", "is_impossible": false, "answers": [{"text": "Lima", "answer_start": 11}]},
          {"id": "2", "question": "When?", "is_impossible": true, "answers": [],
           "plausible_answers": [{"text": "mora", "answer_start": 3}]}]},
        {"context": "Zwei", "qas": [{"id": "3", "question": "Wie?", "answers": [
          {"text": "Zwei", "answer_start": 0}, {"text": "wei", "answer_start": 1}]}]}]}]})",
      false);
  ASSERT_TRUE(rows.ok()) << rows.error().message();
  ASSERT_EQ(rows->rows.size(), 3U);
  EXPECT_EQ(rows->passages, (std::vector<std::string>{"Él mora en Lima.", "Zwei"}));
  EXPECT_EQ(rows->rows[0].question, "Where?");
  ASSERT_EQ(rows->rows[0].answers.size(), 1U);
  EXPECT_EQ(rows->rows[0].answers[0].begin_byte, 12U);  // É has two bytes
  EXPECT_EQ(rows->rows[0].answers[0].end_byte, 16U);
  EXPECT_TRUE(rows->rows[1].answers.empty());
  EXPECT_EQ(rows->rows[1].passage, 0U);
  EXPECT_EQ(rows->rows[2].passage, 1U);
  EXPECT_EQ(rows->rows[2].answers[1].text, "wei");
}

TEST(QuestionRows, ReadsFlatRowsAndSharesPassages) {
  const auto lines = parse_question_rows(
      "{\"question\": \"q\", \"context\": \"a b\", \"answers\": {\"text\": [\"b\"], \"answer_start\": [2]}}\r\n\n"
      "{\"question\": \"r\", \"passage\": \"a b\", \"answers\": []}\n"
      "{\"question\": \"s\", \"passage\": \"c\", \"answers\": {\"text\": [], \"answer_start\": []}}",
      true);
  ASSERT_TRUE(lines.ok()) << lines.error().message();
  EXPECT_EQ(lines->passages.size(), 2U);
  EXPECT_EQ(lines->rows[1].passage, 0U);
  EXPECT_TRUE(lines->rows[2].answers.empty());
  const auto list = parse_question_rows(
      R"([{"question": "q", "context": "a b", "answers": [{"text": "a b", "answer_start": 0}]}])", false);
  ASSERT_TRUE(list.ok()) << list.error().message();
  EXPECT_EQ(list->rows[0].answers[0].end_byte, 3U);
}

TEST(QuestionRows, SaysWhichRowIsWrong) {
  const auto message = [](std::string_view text, bool lines) {
    const auto rows = parse_question_rows(text, lines);
    return rows.ok() ? std::string("read") : rows.error().message();
  };
  const std::string good = R"({"question": "q", "context": "a b", "answers": []})";
  EXPECT_EQ(
      message(good + "\n" + R"({"question": "q", "context": "añb", "answers": [{"text": "b", "answer_start": 3}]})",
              true),
      "2: the answer \"b\" does not stand at character 3 of its passage; `answer_start` counts characters "
      "(Unicode code points) from 0, and the text is the passage's to the letter");
  EXPECT_EQ(
      message(R"({"data": [{"paragraphs": []}, {"paragraphs": [{"context": "x", "qas": [{"question": 3}]}]}]})", false),
      "data[1].paragraphs[0].qas[0]: `question` must be a string of at most 1048576 bytes");
  EXPECT_EQ(message(R"({"data": [{"paragraphs": [{"context": "x"}]}]})", false),
            "data[0].paragraphs[0]: `qas` must be a list; see docs/questions.md for the form");
  EXPECT_EQ(message(R"([{"question": "q", "context": "a", "answers": {"text": ["a"], "answer_start": []}}])", false),
            "row 1: `answers` has 1 texts and 0 places");
  EXPECT_EQ(message(R"([{"question": "q", "context": "a", "answers": {"text": ["a"], "answer_start": [-1]}}])", false),
            "row 1: `answers.answer_start` must be a list of whole numbers from 0 on");
  EXPECT_EQ(message(R"([{"question": "q", "context": "a", "answers": [{"text": "", "answer_start": 0}]}])", false),
            "row 1: an answer is empty; give an empty list of answers where the passage does not say");
  EXPECT_EQ(
      message(R"([{"question": "q", "context": "a", "answers": [{"text": "a", "answer_start": 99999999}]}])", false),
      "row 1: `answer_start` must be an integer in 0..16777216");
  EXPECT_EQ(message(R"([{"question": "q", "context": "a", "answers": [], "is_impossible": false}])", false),
            "row 1: `is_impossible` is false, yet there is no answer; give an empty list of answers where the passage "
            "does not say");
  EXPECT_EQ(message(R"([{"question": "q", "context": "a"}])", false),
            "row 1: no `answers`; give an empty list where the passage does not say");
  EXPECT_EQ(message("[3]", false), "row 1: `question` must be a string of at most 1048576 bytes");
  EXPECT_EQ(message("[]", false), "no question; see docs/questions.md for the form");
  EXPECT_EQ(message("", true), "no question; see docs/questions.md for the form");
  EXPECT_EQ(message("{}", false), "`data` must be a list; see docs/questions.md for the form");
  EXPECT_EQ(message(good + "\n{", true).substr(0, 2), "2:");
}

TEST(QuestionRows, DropsAByteOrderMark) {
  const std::string row = R"({"question": "q", "context": "a", "answers": []})";
  EXPECT_TRUE(parse_question_rows("\xef\xbb\xbf" + row, true).ok());
  EXPECT_TRUE(parse_question_rows("\xef\xbb\xbf[" + row + "]", false).ok());
}

TEST(QuestionRows, FindsEveryCharacterOfALongPassage) {
  std::string passage, answers;
  std::vector<std::size_t> begins;
  const std::string_view letters[] = {"a", "é", "は", "😀"};
  for (std::size_t i = 0; i < 300; ++i) {
    begins.push_back(passage.size());
    const std::string_view letter = letters[i * i % 7 % 4];
    passage += letter;
    answers += (i == 0 ? "" : ",") + std::string(R"({"text": ")") + std::string(letter) + R"(", "answer_start": )" +
               std::to_string(i) + "}";
  }
  const auto row = [](const std::string& context, const std::string& list) {
    return R"({"question": "q", "context": ")" + context + R"(", "answers": [)" + list + "]}\n";
  };
  const std::string short_one = row("b", R"({"text": "b", "answer_start": 0})");
  const auto rows = parse_question_rows(short_one + row(passage, answers) + short_one, true);
  ASSERT_TRUE(rows.ok()) << rows.error().message();
  EXPECT_EQ(rows->passages.size(), 2U);
  EXPECT_EQ(rows->rows[2].passage, 0U);
  ASSERT_EQ(rows->rows[1].answers.size(), begins.size());
  for (std::size_t i = 0; i < begins.size(); ++i) EXPECT_EQ(rows->rows[1].answers[i].begin_byte, begins[i]) << i;
  for (const int beyond : {300, 301, 1000})
    EXPECT_FALSE(
        parse_question_rows(row(passage, R"({"text": "a", "answer_start": )" + std::to_string(beyond) + "}"), true)
            .ok());
}

TEST(QuestionRows, NamesThePlaceOfARow) {
  const Error wrong = Error::bad_data("is odd").hint("mend it");
  const std::string row = R"({"question": "q", "context": "a", "answers": []})";
  auto lines = parse_question_rows(row + "\n\n" + row, true);
  ASSERT_TRUE(lines.ok());
  lines->file = "q.jsonl";
  EXPECT_EQ(lines->at(lines->rows[1], wrong).message(), "q.jsonl:3: is odd; mend it");
  const auto list = parse_question_rows("[" + row + "," + row + "]", false);
  ASSERT_TRUE(list.ok());
  EXPECT_EQ(list->at(list->rows[1], wrong).message(), "row 2: is odd; mend it");
  const auto nested = parse_question_rows(
      R"({"data": [{"paragraphs": []}, {"paragraphs": [{"context": "b", "qas": []}, {"context": "a", "qas": [
        {"question": "q", "answers": []}, {"question": "r", "answers": []}]}]}]})",
      false);
  ASSERT_TRUE(nested.ok());
  EXPECT_EQ(nested->at(nested->rows[1], wrong).message(), "data[1].paragraphs[1].qas[1]: is odd; mend it");
}

TEST(QuestionRows, EchoesLittleOfALongAnswer) {
  std::string text;
  for (int i = 0; i < 100; ++i) text += "ä";
  std::string row = R"([{"question": "q", "context": "a", "answers": [{"answer_start": 0, "text": )";
  append_json_string(row, text);
  const auto rows = parse_question_rows(row + "}]}]", false);
  ASSERT_FALSE(rows.ok());
  EXPECT_EQ(rows.error().what().find("\"" + text.substr(0, 48) + "..\""), 18U) << rows.error().what();
}

TEST(QuestionRows, ReadsTheSampleOfSquad) {
  const char* data = std::getenv("SMIDGEN_DATA");
  if (data == nullptr) GTEST_SKIP() << "set SMIDGEN_DATA";
  const auto rows = read_question_rows(std::string(data) + "/squad_xquad_en/train.jsonl");
  if (!rows.ok() && rows.error().kind() == ErrorKind::kNoInput) GTEST_SKIP() << rows.error().message();
  ASSERT_TRUE(rows.ok()) << rows.error().message();
  EXPECT_EQ(rows->rows.size(), 949U);
  EXPECT_EQ(rows->passages.size(), 192U);
}

}  // namespace
}  // namespace smidgen
