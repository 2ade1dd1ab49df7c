#include "smidgen/model/tag_pieces.h"

#include <gtest/gtest.h>

#include "smidgen/base/file.h"

namespace smidgen {
namespace {

const std::string kTiny = std::string(SMIDGEN_SOURCE_DIR) + "/tests/golden/tiny_bert";

TEST(TagPieces, CutsBetweenWordsAndPointsAtFirstTokens) {
  const auto tokenizer = Tokenizer::load(kTiny);
  ASSERT_TRUE(tokenizer.ok());
  const std::vector<std::string> words = {"good", "refunding", "é.", "zebra", "bad"};
  const std::vector<TagPiece> whole = cut_words(**tokenizer, words, 40);
  ASSERT_EQ(whole.size(), 1U);
  EXPECT_EQ(whole[0].words, (std::vector<std::uint32_t>{0, 1, 2, 3, 4}));
  const auto token = [&](const TagPiece& piece, std::size_t i) {
    return (*tokenizer)->token(piece.ids[piece.tokens[i]]);
  };
  EXPECT_EQ(whole[0].tokens[0], 1U);  // behind [CLS]
  EXPECT_EQ(token(whole[0], 0), "good");
  EXPECT_EQ(token(whole[0], 1), "refund");
  EXPECT_EQ(token(whole[0], 3), "z");
  EXPECT_EQ(token(whole[0], 4), "bad");
  std::size_t next = 0;
  for (const TagPiece& piece : cut_words(**tokenizer, words, 6)) {
    EXPECT_LE(piece.ids.size(), 6U);
    EXPECT_EQ((*tokenizer)->token(piece.ids.front()), "[CLS]");
    EXPECT_EQ((*tokenizer)->token(piece.ids.back()), "[SEP]");
    for (const std::uint32_t word : piece.words) EXPECT_EQ(word, next++);
  }
  EXPECT_EQ(next, words.size());
  EXPECT_TRUE(cut_words(**tokenizer, {}, 40).empty());
}

// A model whose unknown token is also the one before each text.
TEST(TagPieces, CountsTheTokensBeforeATextWhateverTheyAre) {
  std::string json = *read_file(kTiny + "/tokenizer.json", 1 << 20);
  const std::string unknown = "\"unk_token\": \"[UNK]\"";
  ASSERT_NE(json.find(unknown), std::string::npos);
  json.replace(json.find(unknown), unknown.size(), "\"unk_token\": \"[CLS]\"");
  const auto tokenizer = Tokenizer::from_json(json);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.error().message();
  const std::vector<TagPiece> pieces = cut_words(**tokenizer, std::vector<std::string>{"good", "bad"}, 40);
  ASSERT_EQ(pieces.size(), 1U);
  EXPECT_EQ(pieces[0].ids.front(), (*tokenizer)->unknown_id());
  ASSERT_EQ(pieces[0].tokens, (std::vector<std::uint32_t>{1, 2}));
  EXPECT_EQ((*tokenizer)->token(pieces[0].ids[1]), "good");
}

}  // namespace
}  // namespace smidgen
