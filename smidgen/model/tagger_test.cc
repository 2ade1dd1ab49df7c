// Entities of texts, by models made of tests/golden/tiny_questions*: the bodies and tokenizers are those, the head has
// other rows. tests/tag_exchange_test.py compares with the pipeline of transformers.
#include "smidgen/model/tagger.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>

#include "smidgen/base/file.h"
#include "smidgen/base/random.h"
#include "smidgen/tensor/safetensors.h"

namespace smidgen {
namespace {

namespace fs = std::filesystem;

const std::string kGolden = std::string(SMIDGEN_SOURCE_DIR) + "/tests/golden/";

// A copy of a question-answering model whose head gives tags: its two rows become B-X and O, or what `labels` says.
class TaggerTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = testing::TempDir() + "/smidgen_tagger_" + std::to_string(::getpid());
    fs::remove_all(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  Result<Tagger> make(const std::string& model, const std::string& labels = R"({"0": "B-X", "1": "O"})") {
    fs::remove_all(folder_);
    fs::copy(kGolden + model, folder_);
    change("config.json", "ForQuestionAnswering\"", "ForTokenClassification\"");
    change("config.json", "{", "{\"id2label\": " + labels + ", ");
    // Names in the header of the weights, which stay as long as they were.
    change("model.safetensors", "\"qa_outputs.weight\"", "\"classifier.weight\"");
    change("model.safetensors", "\"qa_outputs.bias\"", "\"classifier.bias\"");
    return Tagger::load(folder_);
  }
  void change(const std::string& file, const std::string& from, const std::string& to) const {
    const std::string path = folder_ + "/" + file;
    std::string text = *read_file(path, 1 << 24);
    const std::size_t at = text.find(from);
    ASSERT_NE(at, std::string::npos) << from;
    text.replace(at, from.size(), to);
    std::ofstream(path, std::ios::binary) << text;
  }
  static std::vector<TaggedText> tag(const Tagger& tagger, const std::vector<std::string>& texts) {
    Tagger::Scratch scratch;
    std::vector<TaggedText> out;
    tagger.tag(std::vector<std::string_view>(texts.begin(), texts.end()), scratch, out);
    return out;
  }

  std::string folder_;
};

std::vector<std::string> some_texts(std::size_t count) {
  const char* kWords[] = {"good", "zebra", "refunding", "é", "the", "x.y.", "bad,", "日本", "\U0001F600"};
  Random random(4);
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < count; ++i) {
    std::string text;
    for (std::size_t word = random.below(40); word > 0; --word)
      text += std::string(kWords[random.below(std::size(kWords))]) + (random.below(8) == 0 ? "  " : " ");
    texts.push_back(text);
  }
  return texts;
}

std::vector<std::size_t> character_starts(const std::string& text) {
  std::vector<std::size_t> starts;
  for (std::size_t i = 0; i < text.size(); ++i)
    if ((static_cast<unsigned char>(text[i]) & 0xc0) != 0x80) starts.push_back(i);
  starts.push_back(text.size());
  return starts;
}

TEST_F(TaggerTest, EntitiesAreTheTextsOwnBytesAtTheirCharacters) {
  for (const char* model : {"tiny_questions", "tiny_questions_bpe", "tiny_questions_unigram"}) {
    const auto tagger = make(model);
    ASSERT_TRUE(tagger.ok()) << tagger.error().message();
    const std::vector<std::string> texts = some_texts(40);
    const std::vector<TaggedText> found = tag(*tagger, texts);
    ASSERT_EQ(found.size(), texts.size());
    std::size_t entities = 0, words = 0;
    for (std::size_t i = 0; i < texts.size(); ++i) {
      const std::vector<std::size_t> starts = character_starts(texts[i]);
      std::size_t last = 0;
      for (const TaggedEntity& entity : found[i].entities) {
        EXPECT_EQ(entity.label, "X");
        ASSERT_LT(entity.begin, entity.end);
        ASSERT_LT(entity.end, starts.size());
        EXPECT_EQ(entity.text, texts[i].substr(starts[entity.begin], starts[entity.end] - starts[entity.begin]));
        EXPECT_EQ(entity.text.find(' '), std::string::npos);
        EXPECT_GE(entity.begin, last);
        EXPECT_GT(entity.score, 0.5F);
        EXPECT_LE(entity.score, 1.0F);
        last = entity.end;
        ++entities;
      }
      words += static_cast<std::size_t>(std::count(texts[i].begin(), texts[i].end(), ' '));
    }
    EXPECT_GT(entities, words / 20) << model;
    EXPECT_LT(entities, words * 2) << model;
  }
}

void expect_same(const TaggedText& a, const TaggedText& b) {
  ASSERT_EQ(a.entities.size(), b.entities.size());
  for (std::size_t i = 0; i < a.entities.size(); ++i) {
    EXPECT_EQ(a.entities[i].begin, b.entities[i].begin);
    EXPECT_EQ(a.entities[i].end, b.entities[i].end);
    EXPECT_EQ(a.entities[i].score, b.entities[i].score);  // to the bit
  }
}

TEST_F(TaggerTest, NeighboursChangeNothing) {
  const auto tagger = make("tiny_questions");
  ASSERT_TRUE(tagger.ok()) << tagger.error().message();
  const std::vector<std::string> texts = some_texts(60);
  const std::vector<TaggedText> together = tag(*tagger, texts);
  for (std::size_t i = 0; i < texts.size(); ++i) expect_same(tag(*tagger, {texts[i]}).front(), together[i]);
}

// Every word of a text of many pieces is tagged: with parts of speech each is an entity of its own.
TEST_F(TaggerTest, LongTextsAreReadWhole) {
  const auto tagger = make("tiny_questions", R"({"0": "NOUN", "1": "VERB"})");
  ASSERT_TRUE(tagger.ok()) << tagger.error().message();
  EXPECT_EQ(tagger->window(), 64U);
  std::string text;
  for (std::size_t i = 0; i < 500; ++i) text += i % 3 == 0 ? "zebra " : "good ";
  const TaggedText found = tag(*tagger, {text}).front();
  ASSERT_EQ(found.entities.size(), 500U);
  EXPECT_FALSE(found.cut);
  for (std::size_t i = 0; i < 500; ++i) EXPECT_EQ(found.entities[i].text, i % 3 == 0 ? "zebra" : "good");
}

TEST_F(TaggerTest, AnEntityGoesOnOverACutBetweenPieces) {
  const auto tagger = make("tiny_questions", R"({"0": "I-X", "1": "I-X"})");
  ASSERT_TRUE(tagger.ok()) << tagger.error().message();
  std::string text = "good";
  for (std::size_t i = 0; i < 200; ++i) text += " zebra";
  const TaggedText found = tag(*tagger, {text}).front();
  ASSERT_EQ(found.entities.size(), 1U);
  EXPECT_EQ(found.entities[0].text, text);
  EXPECT_EQ(found.entities[0].end, text.size());
}

TEST_F(TaggerTest, AWordThatDoesNotFitIsSaidToBeCut) {
  const auto tagger = make("tiny_questions", R"({"0": "NOUN", "1": "VERB"})");
  ASSERT_TRUE(tagger.ok()) << tagger.error().message();
  const std::string letters(90, 'a');
  const std::vector<TaggedText> found = tag(*tagger, {"good " + letters + " bad", "good", "", " \t"});
  EXPECT_TRUE(found[0].cut);
  ASSERT_EQ(found[0].entities.size(), 3U);
  EXPECT_EQ(found[0].entities[1].text, letters);
  EXPECT_FALSE(found[1].cut);
  EXPECT_TRUE(found[2].entities.empty());
  EXPECT_TRUE(found[3].entities.empty());
}

TEST_F(TaggerTest, BytesThatAreNotTextReadAsReplacements) {
  const auto tagger = make("tiny_questions_bpe", R"({"0": "I-X", "1": "I-X"})");
  ASSERT_TRUE(tagger.ok()) << tagger.error().message();
  const TaggedText found = tag(*tagger, {"good \xff bad"}).front();
  ASSERT_EQ(found.entities.size(), 1U);
  EXPECT_EQ(found.entities[0].text, "good \uFFFD bad");
  EXPECT_EQ(found.entities[0].end, 10U);
}

// Positions for [CLS] and [SEP], and none for a word.
TEST_F(TaggerTest, RefusesModelsWithoutRoomForAWord) {
  ASSERT_TRUE(make("tiny_questions").ok());
  const auto cut_to = [&](std::size_t positions) {
    fs::remove(folder_ + "/config.json");
    fs::copy(kGolden + "tiny_questions/config.json", folder_ + "/config.json");
    change("config.json", "ForQuestionAnswering\"", "ForTokenClassification\"");
    change("config.json", "\"max_position_embeddings\": 64",
           R"("id2label": {"0": "B-X", "1": "O"}, "max_position_embeddings": )" + std::to_string(positions));
    const std::string path = folder_ + "/model.safetensors", old = *read_file(path, 1 << 24);
    const auto file = Safetensors::from_bytes(old);
    std::vector<NamedTensor> tensors;
    for (const std::string& name : file->names()) {
      const TensorView* view = file->find(name);
      tensors.push_back({name, view->dtype, view->shape, view->bytes});
      if (!name.ends_with("position_embeddings.weight")) continue;
      tensors.back().bytes = view->bytes.substr(0, view->bytes.size() / view->shape[0] * positions);
      tensors.back().shape[0] = positions;
    }
    ASSERT_TRUE(write_safetensors(path, tensors).ok());
  };
  cut_to(3);
  const auto least = Tagger::load(folder_);
  ASSERT_TRUE(least.ok()) << least.error().message();
  EXPECT_EQ(tag(*least, {"good bad good"}).size(), 1U);
  for (const std::size_t positions : {2U, 1U}) {
    cut_to(positions);
    const auto tagger = Tagger::load(folder_);
    ASSERT_FALSE(tagger.ok());
    EXPECT_EQ(tagger.error().kind(), ErrorKind::kBadData);
    EXPECT_EQ(tagger.error().what(), "this model reads " + std::to_string(positions) +
                                         " tokens; its tokenizer's 2 special tokens leave no room for a word");
  }
}

TEST_F(TaggerTest, RefusesOtherHeads) {
  const auto other = Tagger::load(kGolden + "tiny_questions");
  ASSERT_FALSE(other.ok());
  EXPECT_NE(other.error().message().find("has a head for question answering, not for token classification"),
            std::string::npos)
      << other.error().message();
}

}  // namespace
}  // namespace smidgen
