#include "smidgen/text/tagged_rows.h"

#include <gtest/gtest.h>

namespace smidgen {
namespace {

std::string message(std::string_view text, bool json) {
  const auto rows = parse_tagged_rows(text, json);
  return rows.ok() ? std::string("read") : rows.error().message();
}

TEST(TaggedRows, ReadsColumnsOfConll) {
  const auto rows =
      parse_tagged_rows("-DOCSTART- -X- O O\n\nEU NNP I-NP B-ORG\nrejects VBZ I-VP O\r\n\n\nÉire\tB-LOC\n. O", false);
  ASSERT_TRUE(rows.ok()) << rows.error().message();
  EXPECT_EQ(rows->tag_names, (std::vector<std::string>{"B-LOC", "B-ORG", "O"}));
  ASSERT_EQ(rows->rows.size(), 2U);
  EXPECT_EQ(rows->rows[0].words, (std::vector<std::string>{"EU", "rejects"}));
  EXPECT_EQ(rows->rows[0].tags, (std::vector<std::uint32_t>{1, 2}));
  EXPECT_EQ(rows->rows[1].words, (std::vector<std::string>{"Éire", "."}));
  EXPECT_EQ(rows->rows[1].tags, (std::vector<std::uint32_t>{0, 2}));
}

TEST(TaggedRows, ReadsJsonLines) {
  const auto rows = parse_tagged_rows(
      "{\"tokens\": [\"New York\", \"is\"], \"tags\": [\"B-LOC\", \"O\"]}\n\n"
      "{\"words\": [\"b\"], \"ner_tags\": [\"O\"], \"id\": 3}\n{\"tokens\": [], \"tags\": []}\n",
      true);
  ASSERT_TRUE(rows.ok()) << rows.error().message();
  ASSERT_EQ(rows->rows.size(), 2U);  // the empty row is none
  EXPECT_EQ(rows->rows[0].words[0], "New York");
  EXPECT_EQ(rows->rows[1].tags, (std::vector<std::uint32_t>{1}));
}

TEST(TaggedRows, SaysWhichLineIsWrong) {
  EXPECT_EQ(message("a O\nb\n", false), "2: a word without a tag; write the word, white space and its tag");
  EXPECT_EQ(message("a O\n\xff O\n", false).substr(0, 15), "2: is not UTF-8");
  EXPECT_EQ(message("a O\nb " + std::string(300, 'x'), false), "2: a tag must have 1..256 bytes");
  EXPECT_EQ(message(std::string(5000, 'x') + " O", false), "1: a word has more than 4096 bytes");
  EXPECT_EQ(message("", false), "no row; see docs/token_classification.md for the form");
  EXPECT_EQ(message(R"({"tokens": ["a"], "tags": ["O", "O"]})", true), "1: 1 tokens and 2 tags");
  EXPECT_EQ(message(R"({"tokens": ["a"], "tags": [3]})", true),
            "1: `tags` must be a list of strings; write the tags' names, such as \"B-LOC\"");
  EXPECT_EQ(message(R"({"tokens": "a", "tags": ["O"]})", true),
            "1: `tokens` must be a list of strings; see docs/token_classification.md for the form");
  EXPECT_EQ(message(R"({"tokens": [" "], "tags": ["O"]})", true), "1: a word is empty");
  EXPECT_EQ(message("{\"tokens\": [\"a\"], \"tags\": [\"O\"]}\n[", true).substr(0, 2), "2:");
}

TEST(TaggedRows, DropsAByteOrderMark) {
  const auto columns = parse_tagged_rows("\xef\xbb\xbf-DOCSTART- O\n\nb O\n", false);
  ASSERT_TRUE(columns.ok()) << columns.error().message();
  EXPECT_EQ(columns->rows.size(), 1U);
  const auto word = parse_tagged_rows("\xef\xbb\xbfgood O\n", false);
  ASSERT_TRUE(word.ok());
  EXPECT_EQ(word->rows[0].words[0], "good");
  EXPECT_TRUE(parse_tagged_rows("\xef\xbb\xbf{\"tokens\": [\"a\"], \"tags\": [\"O\"]}", true).ok());
}

TEST(TaggedRows, RefusesColumnsThatBeginWithANumber) {
  const std::string conllu =
      ": is a line of CoNLL-U, which numbers the words in its first column; keep the column of the words and the "
      "column of the tags only";
  const std::string line = "1\tLima\tLima\tPROPN\tNNP\t_\t2\tnsubj\t_\t_\n";
  EXPECT_EQ(message("# sent_id = 1\n" + line, false), "1" + conllu);
  EXPECT_EQ(message(line, false), "1" + conllu);
  EXPECT_EQ(message("1-2\tdu\t_\t_\t_\t_\t_\t_\t_\t_\n" + line, false), "1" + conllu);
  EXPECT_EQ(message("# newpar\n" + line, false), "2" + conllu);
  // GermEval 2014 numbers words, too.
  EXPECT_EQ(
      message("a\tb\tO\n\n1\tLima\tB-LOC\n2\tis\tO\n3\tlarge\tO\n", false),
      "5: the first column numbers the words; it must be the word; keep the column of the words and the column of "
      "the tags only");
  // Words that look like these are words.
  EXPECT_EQ(message("# O\n1 O\n", false), "read");
  EXPECT_EQ(message("a O\n# O\n= O\n", false), "read");
  EXPECT_EQ(message("1 CD O\n2 CD O\nmen NN O\n", false), "read");
  EXPECT_EQ(message("1 O\n2 O\n3 O\n", false), "read");
}

TEST(TaggedRows, RefusesLinesOfOtherColumns) {
  EXPECT_EQ(message("a O\n\nLima NNP B-LOC\nis O\n", false),
            "4: has 2 columns, and the line before 3; white space parts columns, an empty line sentences; words with "
            "white space want JSON lines");
  EXPECT_EQ(message("New York\tB-LOC\nis\tO\n", false).substr(0, 18), "2: has 2 columns, ");
  EXPECT_EQ(message("a X O\n\nb O\n", false), "read");  // of another sentence
}

TEST(TaggedRows, HasALimitOfTags) {
  std::string rows;
  for (int i = 0; i < 2000; ++i) rows += "a B-" + std::to_string(i) + "\n";
  EXPECT_EQ(message(rows, false), "read");
  EXPECT_EQ(message(rows + "a O\n", false), "2001: more than 2000 different tags; the last column must be the tag");
  EXPECT_EQ(message(R"({"tokens": ["a"], "tags": ["B\u0001"]})", true), "1: a tag has a control character");
}

}  // namespace
}  // namespace smidgen
