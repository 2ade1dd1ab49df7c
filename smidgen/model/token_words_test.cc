// The words of three kinds of tokenizers; the places of Unigram's tokens have the space before them.
#include "smidgen/model/token_words.h"

#include <gtest/gtest.h>

#include <string>

#include "smidgen/text/bert_tokenizer.h"

namespace smidgen {
namespace {

std::vector<std::string> words(const std::string& folder, const std::string& text) {
  const auto tokenizer = Tokenizer::load(std::string(SMIDGEN_SOURCE_DIR) + "/tests/golden/" + folder);
  EXPECT_TRUE(tokenizer.ok());
  std::vector<std::int32_t> ids;
  std::vector<TextSpan> spans;
  (*tokenizer)->encode_spans(text, ids, spans);
  const std::vector<bool> continues = TokenWords(**tokenizer).continues(text, ids, spans);
  EXPECT_EQ(continues.size(), ids.size());
  std::vector<TextSpan> found;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (!continues[i]) found.push_back(spans[i]);
    found.back().end = std::max(found.back().end, spans[i].end);
  }
  std::vector<std::string> out;
  for (const TextSpan& span : found) out.push_back(text.substr(span.begin, span.end - span.begin));
  return out;
}

using Words = std::vector<std::string>;

TEST(TokenWords, AreThoseOfTheTokenizer) {
  EXPECT_EQ(words("tiny_questions", "zebra, refunding the é"), (Words{"zebra", ",", "refunding", "the", "é"}));
  EXPECT_EQ(words("tiny_questions_bpe", "zebra, refunding the é"), (Words{"zebra", ",", "refunding", "the", "é"}));
  EXPECT_EQ(words("tiny_questions_unigram", "zebra, refunding the"), (Words{"zebra,", " refunding", " the"}));
  EXPECT_TRUE(words("tiny_questions", " ").empty());
}

// A vocabulary in which no piece begins with a letter from a to z is one of WordPiece all the same, whatever its
// prefix.
TEST(TokenWords, PiecesNeedNoLatinLetters) {
  for (const std::string prefix : {"##", "@@"}) {
    BertRules rules;
    rules.tokens = {"[UNK]", "M", "K", prefix + "T", "\u0434\u0430"};
    rules.model_end = rules.tokens.size();
    rules.prefix = prefix;
    rules.lowercase = false;
    const BertTokenizer tokenizer(rules);
    const std::string text = "M K MT \u0434\u0430";
    std::vector<std::int32_t> ids;
    std::vector<TextSpan> spans;
    tokenizer.encode_spans(text, ids, spans);
    EXPECT_EQ(TokenWords(tokenizer).continues(text, ids, spans), (std::vector<bool>{false, false, false, true, false}));
  }
}

}  // namespace
}  // namespace smidgen
