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

}  // namespace
}  // namespace smidgen
