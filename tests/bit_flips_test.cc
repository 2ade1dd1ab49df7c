// Single bit flips: 10,000 in safetensors and in config.json, 5,000 each in CSV and in JSON lines, 3,333 in each
// tokenizer, 600 in a model whose vectors are computed each time, about 1,000 over a bundle's files: a typed error, or
// what the file said before, or (where the bit was content) something as valid as before. Never a crash, a number that
// is none, or an id that no vocabulary has.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>

#include "smidgen/base/file.h"
#include "smidgen/base/random.h"
#include "smidgen/base/utf8.h"
#include "smidgen/model/body_config.h"
#include "smidgen/model/bundle.h"
#include "smidgen/model/encoder_rung.h"
#include "smidgen/model/speller_file.h"
#include "smidgen/tensor/safetensors.h"
#include "smidgen/text/dataset.h"
#include "smidgen/text/spelling_samples.h"
#include "smidgen/text/tokenizer.h"

namespace smidgen {
namespace {

namespace fs = std::filesystem;

constexpr int kFlips = 10000;
const std::string kGolden = SMIDGEN_SOURCE_DIR "/tests/golden";

std::string bytes_of(const std::string& path) {
  auto bytes = read_file(path, 64 << 20);
  EXPECT_TRUE(bytes.ok()) << path;
  return bytes.ok() ? std::move(*bytes) : "";
}

// `flips` copies of `bytes` with one bit changed, the same ones every time; `seen` gets the copy and where the bit is.
template <class Seen>
void flip(const std::string& bytes, int flips, Seen seen) {
  Random random(9);
  std::string copy = bytes;
  for (int i = 0; i < flips && !testing::Test::HasFailure(); ++i) {
    const std::size_t at = random.below(copy.size());
    const char bit = static_cast<char>(1 << random.below(8));
    copy[at] = static_cast<char>(copy[at] ^ bit);
    seen(copy, at);
    copy[at] = bytes[at];
  }
}

// Changes bytes of a file where they lie: writing it anew would wait for the disk each time.
class FileBytes {
 public:
  explicit FileBytes(const std::string& path) : file_(std::fopen(path.c_str(), "r+b")) {}
  FileBytes(const FileBytes&) = delete;
  FileBytes& operator=(const FileBytes&) = delete;
  ~FileBytes() { std::fclose(file_); }
  void put(std::size_t at, char byte) {
    std::fseek(file_, static_cast<long>(at), SEEK_SET);
    std::fputc(static_cast<unsigned char>(byte), file_);
    std::fflush(file_);
  }

 private:
  std::FILE* file_;
};

void expect_typed(const Error& error) {
  EXPECT_TRUE(error.kind() == ErrorKind::kBadData || error.kind() == ErrorKind::kNoInput) << error.message();
  EXPECT_FALSE(error.what().empty());
}

TEST(BitFlips, Safetensors) {
  const std::string model = bytes_of(kGolden + "/architectures/bert-questions/model.safetensors");
  const auto whole = Safetensors::from_bytes(model);
  ASSERT_TRUE(whole.ok());
  std::size_t refused = 0, data_only = 0;
  flip(model, kFlips, [&](const std::string& bytes, std::size_t at) {
    const auto file = Safetensors::from_bytes(bytes);
    if (!file.ok()) {
      ++refused;
      return expect_typed(file.error());
    }
    std::size_t covered = 0;
    for (const std::string& name : file->names()) {
      const TensorView* view = file->find(name);
      covered += view->bytes.size();
      const auto values = file->floats(name, view->shape);
      if (!values.ok()) {
        expect_typed(values.error());
        continue;
      }
      for (const float value : *values) ASSERT_TRUE(std::isfinite(value)) << name << ", flipped byte " << at;
    }
    const TensorView* first = whole->find(whole->names().front());
    EXPECT_EQ(covered, [&] {
      std::size_t sum = 0;
      for (const std::string& name : whole->names()) sum += whole->find(name)->bytes.size();
      return sum;
    }());
    data_only += first != nullptr && file->names() == whole->names();
  });
  EXPECT_GT(refused, 500U);
  EXPECT_GT(data_only, 5000U);
}

// A flipped exponent makes a weight enormous: the numbers behind it may be far off, but they are numbers.
TEST(BitFlips, AnEncodersVectorsStayFinite) {
  const std::string source = kGolden + "/tiny_bert";
  const std::string folder = testing::TempDir() + "smidgen_bit_flips_encoder." + std::to_string(::getpid());
  fs::remove_all(folder);
  fs::copy(source, folder, fs::copy_options::recursive);
  std::size_t loaded = 0, refused = 0;
  FileBytes file(folder + "/model.safetensors");
  const std::string whole = bytes_of(source + "/model.safetensors");
  flip(whole, 600, [&](const std::string& bytes, std::size_t at) {
    file.put(at, bytes[at]);
    const auto encoder = Encoder::load(folder);
    file.put(at, whole[at]);
    if (!encoder.ok()) {
      ++refused;
      return expect_typed(encoder.error());
    }
    ++loaded;
    Encoder::Scratch scratch;
    std::vector<float> out(encoder->dimensions());
    encoder->embed_text("the good refund , a bad zebra !", scratch, out.data());
    for (const float value : out) ASSERT_TRUE(std::isfinite(value)) << "flipped byte " << at;
  });
  EXPECT_TRUE(Encoder::load(folder).ok());
  EXPECT_GT(loaded, 300U);
  EXPECT_GT(refused, 20U);
  fs::remove_all(folder);
}

// What opens reads any text, and gives back what is not touched.
TEST(BitFlips, Speller) {
  const std::string path = testing::TempDir() + "smidgen_bit_flips_speller." + std::to_string(::getpid());
  const auto good = Speller::create(sample_parts({{"the", 90}, {"good", 5}, {"refund", 9}, {"bad", 0.2, false}}, 256));
  ASSERT_TRUE(good.ok());
  ASSERT_TRUE(save_speller(*good, path).ok());
  const std::string whole = bytes_of(path), text = "teh godo refnud, a bda zebra! caf\xc3\xa9 123 REFUNDD";
  std::size_t refused = 0, read = 0;
  FileBytes file(path);
  flip(whole, 3000, [&](const std::string& bytes, std::size_t at) {
    file.put(at, bytes[at]);
    const auto speller = load_speller(path);
    file.put(at, whole[at]);
    if (!speller.ok()) {
      ++refused;
      return expect_typed(speller.error());
    }
    ++read;
    std::string out;
    if (!(*speller)->repair(text, out)) return;
    EXPECT_FALSE(first_invalid_utf8(out)) << "flipped byte " << at;
    EXPECT_NE(out.find("caf\xc3\xa9 123"), std::string::npos);
    EXPECT_LT(out.size(), text.size() + 20);
  });
  EXPECT_GT(refused, 500U);
  EXPECT_GT(read, 500U);
  fs::remove(path);
}

TEST(BitFlips, TokenizerJson) {
  const std::string text =
      "the good refund, a b\xc3\xa4"
      "d zebra! 123 \xf0\x9f\x98\x80";
  for (const char* path :
       {"/tiny_bert/tokenizer.json", "/tiny_questions_bpe/tokenizer.json", "/tiny_questions_unigram/tokenizer.json"}) {
    SCOPED_TRACE(path);
    std::size_t refused = 0;
    flip(bytes_of(kGolden + path), kFlips / 3, [&](const std::string& json, std::size_t at) {
      const auto tokenizer = Tokenizer::from_json(json);
      if (!tokenizer.ok()) {
        ++refused;
        return expect_typed(tokenizer.error());
      }
      std::vector<std::int32_t> ids;
      (*tokenizer)->encode(text, 64, ids);
      EXPECT_LE(ids.size(), 64U);
      for (const std::int32_t id : ids) {
        ASSERT_TRUE(id >= 0 && static_cast<std::size_t>(id) < (*tokenizer)->vocabulary_size()) << "flipped byte " << at;
        ASSERT_FALSE((*tokenizer)->token(id).empty()) << "flipped byte " << at;
      }
    });
    EXPECT_GT(refused, 500U);
  }
}

TEST(BitFlips, ConfigJson) {
  std::size_t refused = 0, read = 0;
  flip(bytes_of(kGolden + "/tiny_bert/config.json"), kFlips, [&](const std::string& json, std::size_t) {
    const auto body = BodyConfig::from_json(json);
    if (!body.ok()) {
      ++refused;
      return expect_typed(body.error());
    }
    ++read;
    EXPECT_TRUE(body->hidden >= 1 && body->hidden <= 16384 && body->heads >= 1 && body->hidden % body->heads == 0);
    EXPECT_TRUE(body->layers >= 1 && body->layers <= 256 && body->vocabulary >= 1 && body->positions >= 1);
  });
  EXPECT_GT(refused, 1000U);
  EXPECT_GT(read, 1000U);
}

std::vector<Record> read_rows(const std::string& bytes, const std::string& name) {
  ReadOptions options;
  options.label_column = "label";
  std::vector<Record> rows;
  const auto reader = RecordReader::from_memory(bytes, name, options);
  if (!reader.ok()) {
    expect_typed(reader.error());
    return rows;
  }
  for (Record record;; rows.push_back(record)) {
    const auto found = (*reader)->next(record);
    EXPECT_TRUE(found.ok());
    if (!found.ok() || !*found) return rows;
  }
}

TEST(BitFlips, Rows) {
  std::string csv = "text,label,id\n", jsonl;
  for (int i = 0; i < 30; ++i) {
    const std::string number = std::to_string(i);
    csv += "\"row " + number + ", \"\"quoted\"\" caf\xc3\xa9\"," + (i % 2 == 0 ? "one" : "two") + "," + number + "\n";
    jsonl += R"({"id":)" + number + R"(,"text":"row )" + number + " caf\xc3\xa9 \\u00e9\",\"label\":\"" +
             (i % 2 == 0 ? "one" : "two") + "\"}\n";
  }
  for (const auto& [name, bytes] : {std::pair<const char*, const std::string&>("f.csv", csv), {"f.jsonl", jsonl}}) {
    SCOPED_TRACE(name);
    const std::vector<Record> whole = read_rows(bytes, name);
    ASSERT_EQ(whole.size(), 30U);
    const std::size_t header_bytes = std::string(name) == "f.csv" ? bytes.find('\n') + 1 : 0;
    flip(bytes, kFlips / 2, [&, name = name](const std::string& flipped, std::size_t at) {
      const std::vector<Record> rows = read_rows(flipped, name);
      for (std::size_t i = 0; i < rows.size(); ++i) {
        const Record& row = rows[i];
        const bool untouched = at >= header_bytes && i + 1 < whole.size() && whole[i + 1].byte <= at;
        if (row.error) {
          expect_typed(*row.error);
          EXPECT_TRUE(row.error->line() && row.error->file() == name);
          EXPECT_FALSE(untouched) << row.error->message();
          continue;
        }
        EXPECT_FALSE(first_invalid_utf8(row.text) || first_invalid_utf8(row.label) || first_invalid_utf8(row.id_json));
        EXPECT_TRUE(!untouched || (row.text == whole[i].text && row.label == whole[i].label))
            << "row " << i << ", byte " << at;
      }
    });
  }
}

// A bundle knows the SHA-256 of every file and its certificate that of bundle.json: nothing that runs can change
// unseen.
TEST(BitFlips, Bundle) {
  const std::string folder = testing::TempDir() + "smidgen_bit_flips_bundle." + std::to_string(::getpid());
  fs::remove_all(folder);
  auto encoder = Encoder::load(kGolden + "/tiny_bert");
  ASSERT_TRUE(encoder.ok());
  const std::size_t dimensions = encoder->dimensions();
  const SoftmaxHead head{2, dimensions, std::vector<float>(2 * dimensions, 0.5F), {0.1F, -0.1F}};
  const auto shared = std::make_shared<const Encoder>(std::move(*encoder));
  const auto exit = EncoderRung::create(shared, head, 1), rung = EncoderRung::create(shared, head);
  ASSERT_TRUE(exit.ok() && rung.ok());
  BundleInfo info;
  info.task = "classification";
  info.labels = {"card", "transfer"};
  info.rungs = {{"exit_1", RungKind::kEncoder, "exit_1", (*rung)->tokens_max(), 1},
                {"encoder", RungKind::kEncoder, "encoder", (*rung)->tokens_max()}};
  Certificate certificate;  // binds bundle.json
  certificate.risk = "selective";
  certificate.data_sha256 = std::string(64, 'a');
  certificate.precision = "f32";
  info.policy.stages = {{{1.0F}, {}, 0.6}, {{0.0F, 1.0F}, {}, 0.0}};
  auto speller = Speller::create(sample_parts({{"good", 5}, {"refund", 9}}));
  ASSERT_TRUE(speller.ok());
  info.speller = std::make_shared<const Speller>(std::move(*speller));
  ASSERT_TRUE(save_bundle(folder, false, info, {exit->get(), rung->get()}, certificate, "# card\n").ok());
  std::vector<std::pair<std::string, std::string>> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder))
    if (entry.is_regular_file() && entry.path().filename() != "README.md" &&
        entry.path().filename() != "certificate.json")
      files.emplace_back(entry.path().string(), bytes_of(entry.path().string()));
  std::sort(files.begin(), files.end());
  ASSERT_GE(files.size(), 7U);
  ASSERT_TRUE(Bundle::load(folder).ok());
  for (const auto& [path, bytes] : files) {
    FileBytes file(path);
    flip(bytes, kFlips / 10 / static_cast<int>(files.size()),
         [&, &whole = bytes](const std::string& changed, std::size_t at) {
           file.put(at, changed[at]);
           const auto bundle = Bundle::load(folder);
           EXPECT_FALSE(bundle.ok()) << path << ", byte " << at;
           EXPECT_TRUE(bundle.ok() || bundle.error().kind() == ErrorKind::kBadData);
           file.put(at, whole[at]);
         });
  }
  EXPECT_TRUE(Bundle::load(folder).ok());
  fs::remove_all(folder);
}

}  // namespace
}  // namespace smidgen
