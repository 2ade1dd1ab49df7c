// Questions about passages with their answers: the data set format of SQuAD (Rajpurkar et al. 2016; with unanswerable
// questions: Rajpurkar, Jia, Liang 2018).
//
// A .json file holds the nested form, or a list of flat rows; a .jsonl or .ndjson file a flat row a line.
//
//   {"data": [{"paragraphs": [{"context": "..", "qas": [
//     {"id": "..", "question": "..", "is_impossible": false, "answers": [{"text": "..", "answer_start": 17}]}]}]}]}
//   {"question": "..", "context": "..", "answers": {"text": [".."], "answer_start": [17]}}
//
// The passage may be called `passage`, and a flat row's answers may be a list as in the nested form. No answer (an
// empty list) means that the passage does not say, as `is_impossible` does. `answer_start` counts characters (Unicode
// code points) from 0. Other keys, SQuAD's `plausible_answers` among them, are not read.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "smidgen/base/result.h"

namespace smidgen {

struct KnownAnswer {
  std::string text;
  std::uint32_t begin_byte = 0, end_byte = 0;  // of the passage, where `text` stands
};

// Where a row was read, from 0: its line; its place in a list; of the nested form article, paragraph and question.
using QuestionPlace = std::array<std::uint32_t, 3>;

struct QuestionRow {
  std::string question;
  std::uint32_t passage = 0;         // of QuestionRows::passages
  std::vector<KnownAnswer> answers;  // empty: the passage does not say
  QuestionPlace place = {};
};

struct QuestionRows {
  enum class Form { kMade, kLines, kList, kNested };

  std::vector<std::string> passages;  // each text once
  std::vector<QuestionRow> rows;
  std::string file;         // that was read; may be empty
  Form form = Form::kMade;  // what places mean; kMade: nothing, the rows were not read

  // The error with the file and place of a row.
  Error at(const QuestionRow& row, const Error& error) const;
};

// kBadData names the row that is wrong: its line, or its place ("data[3].paragraphs[0].qas[1]").
Result<QuestionRows> read_question_rows(const std::string& path);
// The same from a file's text. lines: a row a line.
Result<QuestionRows> parse_question_rows(std::string_view text, bool lines);

}  // namespace smidgen
