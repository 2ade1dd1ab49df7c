// Every allocation of every loader fails once: the n-th, for n = 1 until none is left. Each time the loader returns one
// typed error (or, where the standard library made do without, the same result as ever), leaks nothing, and loads the
// same thing again afterwards. And files cut short, at every byte of the header and 1,000 places, cost little memory.
// A program of its own, because it replaces operator new.
#include <gtest/gtest.h>
#include <malloc.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <functional>
#include <new>
#include <string>

#include "smidgen/base/file.h"
#include "smidgen/base/json.h"
#include "smidgen/model/classifier.h"
#include "smidgen/model/encoder_rung.h"
#include "smidgen/model/question_answering.h"
#include "smidgen/model/zero_shot.h"
#include "smidgen/tensor/safetensors.h"
#include "smidgen/text/dataset.h"
#include "smidgen/text/tokenizer.h"

namespace {

// Single-threaded while armed; atomic because gtest is not.
std::atomic<std::int64_t> until_failure{-1};  // < 0: not armed
std::atomic<bool> failed{false};
std::atomic<std::int64_t> bytes_now{0}, bytes_peak{0};
std::atomic<std::int64_t> living{0};  // blocks allocated and not given back

void* allocate(std::size_t bytes, std::size_t alignment) {
  if (until_failure.load() >= 0 && until_failure.fetch_sub(1) == 0) {
    failed = true;
    return nullptr;
  }
  void* memory = nullptr;
  if (alignment <= alignof(std::max_align_t))
    memory = std::malloc(bytes == 0 ? 1 : bytes);
  else if (posix_memalign(&memory, alignment, bytes == 0 ? 1 : bytes) != 0)
    return nullptr;
  if (memory == nullptr) return nullptr;
  ++living;
  bytes_now += static_cast<std::int64_t>(malloc_usable_size(memory));
  if (bytes_now > bytes_peak) bytes_peak = bytes_now.load();
  return memory;
}

void give_back(void* memory) {
  if (memory == nullptr) return;
  --living;
  bytes_now -= static_cast<std::int64_t>(malloc_usable_size(memory));
  std::free(memory);
}

void* allocate_or_throw(std::size_t bytes, std::size_t alignment) {
  void* memory = allocate(bytes, alignment);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

constexpr std::size_t kPlain = alignof(std::max_align_t);

}  // namespace

void* operator new(std::size_t n) {
  return allocate_or_throw(n, kPlain);
}
void* operator new[](std::size_t n) {
  return allocate_or_throw(n, kPlain);
}
void* operator new(std::size_t n, std::align_val_t a) {
  return allocate_or_throw(n, static_cast<std::size_t>(a));
}
void* operator new[](std::size_t n, std::align_val_t a) {
  return allocate_or_throw(n, static_cast<std::size_t>(a));
}
void* operator new(std::size_t n, const std::nothrow_t&) noexcept {
  return allocate(n, kPlain);
}
void* operator new[](std::size_t n, const std::nothrow_t&) noexcept {
  return allocate(n, kPlain);
}
void operator delete(void* p) noexcept {
  give_back(p);
}
void operator delete[](void* p) noexcept {
  give_back(p);
}
void operator delete(void* p, std::size_t) noexcept {
  give_back(p);
}
void operator delete[](void* p, std::size_t) noexcept {
  give_back(p);
}
void operator delete(void* p, std::align_val_t) noexcept {
  give_back(p);
}
void operator delete[](void* p, std::align_val_t) noexcept {
  give_back(p);
}
void operator delete(void* p, std::size_t, std::align_val_t) noexcept {
  give_back(p);
}
void operator delete[](void* p, std::size_t, std::align_val_t) noexcept {
  give_back(p);
}

namespace smidgen {
namespace {

namespace fs = std::filesystem;
const std::string kGolden = SMIDGEN_SOURCE_DIR "/tests/golden";

// What a loader gave, in a form to compare: "error: .." or what was read.
using Load = std::function<std::string()>;

template <class T, class Describe>
std::string said(const Result<T>& result, Describe describe) {
  until_failure = -1;  // describing may allocate as it likes
  if (!result.ok()) return "error: " + std::to_string(result.error().exit_code()) + " " + result.error().message();
  return describe(*result);
}

// `step` > 1 leaves allocations out where there are many: n = 1..200, then every step-th.
void every_allocation_fails_once(const Load& load, std::int64_t step = 1) {
  const std::string expected = load();
  ASSERT_FALSE(expected.starts_with("error: ")) << expected;
  ASSERT_EQ(load(), expected);
  std::int64_t n = 0, errors = 0;
  for (;; n += n < 200 ? 1 : step) {
    const std::int64_t before = living;
    bool this_failed = false;
    {
      failed = false;
      until_failure = n;
      const std::string got = load();
      until_failure = -1;
      this_failed = failed;
      if (this_failed && got != expected) {
        EXPECT_TRUE(got.starts_with("error: 74 ") && got.ends_with("out of memory"))  // no hint that blames the file
            << n << ": " << got;
        ++errors;
      } else {
        EXPECT_EQ(got, expected) << n;
      }
    }
    EXPECT_EQ(living, before) << "allocation " << n << " leaked";
    if (!this_failed || testing::Test::HasFailure()) break;
  }
  EXPECT_EQ(load(), expected) << "after all the failures";
  EXPECT_GT(n, 1);
  EXPECT_GT(errors * 10, std::min<std::int64_t>(n, 200) * 9) << "failures were seen";
}

std::string bytes_of(const std::string& path) {
  auto bytes = read_file(path, 64 << 20);
  EXPECT_TRUE(bytes.ok()) << path;
  return bytes.ok() ? std::move(*bytes) : "";
}

TEST(Allocation, Safetensors) {
  const std::string bytes = bytes_of(kGolden + "/architectures/bert-questions/model.safetensors");
  every_allocation_fails_once([&] {
    const auto file = Safetensors::from_bytes(bytes);
    return said(file, [](const Safetensors& f) { return std::to_string(f.names().size()) + " " + f.names().front(); });
  });
  const auto file = Safetensors::from_bytes(bytes);
  const std::string name = file->names().front();
  const std::vector<std::size_t> shape = file->find(name)->shape;
  every_allocation_fails_once([&] {
    const auto values = file->floats(name, shape);
    return said(values, [](const std::vector<float>& v) { return std::to_string(v.size()); });
  });
}

TEST(Allocation, Json) {
  every_allocation_fails_once([] {
    const auto document = JsonDocument::parse(R"({"a":[1,{"b":"c"}],"d":{"e":[[],{}]}})");
    return said(document, [](const JsonDocument& d) { return json_has(d.root(), "d") ? "whole" : "broken"; });
  });
}

TEST(Allocation, Tokenizers) {
  for (const char* path :
       {"/tiny_bert/tokenizer.json", "/tiny_questions_bpe/tokenizer.json", "/tiny_questions_unigram/tokenizer.json"}) {
    SCOPED_TRACE(path);
    const std::string json = bytes_of(kGolden + path);
    every_allocation_fails_once(
        [&] {
          const auto tokenizer = Tokenizer::from_json(json);
          return said(tokenizer, [](const auto& t) {
            std::vector<std::int32_t> ids;
            t->encode_plain("the good refund, a bad zebra", ids);
            return std::to_string(ids.size()) + " " + t->fingerprint();
          });
        },
        7);
  }
}

TEST(Allocation, Configuration) {
  const std::string folder = kGolden + "/tiny_bert";
  every_allocation_fails_once([&] {
    const auto config = EncoderConfig::load(folder);
    return said(config, [](const EncoderConfig& c) { return std::to_string(c.body.hidden * 1000 + c.tokens_max); });
  });
}

TEST(Allocation, Rows) {
  const std::string csv =
      "text,label,id\n\"a \"\"quoted\"\" and quite long text, with a comma\",one,1\nb,two,2\nc,one,3\nd,two,4\n";
  const std::string jsonl =
      "{\"text\":\"a text that is too long to stay inside of a "
      "string\",\"label\":\"one\"}\n{\"text\":\"b\",\"label\":\"two\"}\n";
  ReadOptions soft;
  soft.soft_column = "p";
  every_allocation_fails_once([&] {
    const auto data = Dataset::from_memory(
        "{\"text\":\"a\",\"p\":{\"one\":0.5}}\n{\"text\":\"b\",\"p\":{\"two\":0.5}}\n", "f.jsonl", soft);
    return said(data, [](const Dataset& d) { return std::to_string(d.size()) + d.texts.front() + d.sha256; });
  });
  for (const auto& [name, bytes] : {std::pair<const char*, const std::string&>("f.csv", csv), {"f.jsonl", jsonl}}) {
    SCOPED_TRACE(name);
    every_allocation_fails_once([&, name = name, &bytes = bytes] {
      const auto data = Dataset::from_memory(bytes, name, {});
      return said(data, [](const Dataset& d) { return std::to_string(d.size()) + d.texts.front() + d.sha256; });
    });
    every_allocation_fails_once([&, name = name, &bytes = bytes]() -> std::string {
      const auto reader = RecordReader::from_memory(bytes, name, {});
      if (!reader.ok()) return said(reader, [](const auto&) { return ""; });
      Record record;
      std::size_t rows = 0;
      for (;; ++rows) {
        const auto found = (*reader)->next(record);
        if (!found.ok()) return said(found, [](bool) { return ""; });
        if (!*found) break;
      }
      until_failure = -1;
      return std::to_string(rows) + " rows";
    });
  }
}

double processor_seconds() {
  return static_cast<double>(std::clock()) / CLOCKS_PER_SEC;
}

TEST(Truncation, EveryCutIsATypedErrorQuickAndSmall) {
  const char* models[] = {"bert-classification", "distilbert-relu",   "electra-tokens",
                          "modernbert-mean",     "roberta-questions", "xlm-roberta-tokens"};
  constexpr std::int64_t kBytesOver = 64 << 20;
  constexpr std::size_t kPoints = 1000;
  for (const char* model : models) {
    SCOPED_TRACE(model);
    const std::string source = kGolden + "/architectures/" + model;
    const std::string bytes = bytes_of(source + "/model.safetensors");
    const std::string folder = testing::TempDir() + "smidgen_truncation." + std::to_string(::getpid());
    fs::remove_all(folder);
    fs::copy(source, folder, fs::copy_options::recursive);
    std::uint64_t header = 0;
    std::memcpy(&header, bytes.data(), 8);
    std::vector<std::size_t> cuts;
    for (std::size_t at = 0; at < 8 + header; ++at) cuts.push_back(at);
    for (std::size_t i = 0; i < kPoints; ++i) cuts.push_back(bytes.size() * i / kPoints);
    for (std::size_t i = 0; i < cuts.size(); ++i) {
      const std::string cut = bytes.substr(0, cuts[i]);
      const std::int64_t before = bytes_now;
      bytes_peak = before;
      const double began = processor_seconds();
      const auto file = Safetensors::from_bytes(cut, "cut");
      const double seconds = processor_seconds() - began;
      ASSERT_FALSE(file.ok()) << cut.size();
      EXPECT_EQ(file.error().kind(), ErrorKind::kBadData);
      EXPECT_LE(seconds, 0.1);
      EXPECT_LE(bytes_peak - before, static_cast<std::int64_t>(cut.size()) + kBytesOver);
      if (i % 100 != 0) continue;  // the whole way, through a file
      ASSERT_TRUE(write_file_atomic(folder + "/model.safetensors", cut).ok());
      const auto encoder = Encoder::load_body(folder);
      ASSERT_FALSE(encoder.ok());
      EXPECT_EQ(encoder.error().kind(), ErrorKind::kBadData);
      EXPECT_EQ(encoder.error().file(), folder + "/model.safetensors");
    }
    fs::remove_all(folder);
  }
}

TEST(Allocation, ModelsThatNoBundleHolds) {
  const std::string questions = kGolden + "/tiny_questions", encoder = kGolden + "/tiny_bert";
  every_allocation_fails_once(
      [&] {
        const auto model = QuestionAnswerer::load(questions);
        return said(model, [](const QuestionAnswerer& m) { return std::to_string(m.tokens_max()); });
      },
      11);
  ZeroShotOptions options;
  options.labels = {"good", "bad"};
  every_allocation_fails_once(
      [&] {
        const auto bundle = zero_shot_bundle(encoder, options);
        return said(bundle, [](const Bundle& b) { return std::to_string(b.rungs.size()); });
      },
      11);
}

TEST(Allocation, Bundle) {
  const std::string folder = testing::TempDir() + "smidgen_allocation." + std::to_string(::getpid());
  fs::remove_all(folder);
  {
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
    info.policy.stages = {{{1.0F}, {}, kNeverLeave}, {{0.0F, 1.0F}, {}, 0.0}};
    const Status saved = save_bundle(folder, false, info, {exit->get(), rung->get()}, std::nullopt, "# card\n");
    ASSERT_TRUE(saved.ok()) << saved.error().message();
  }
  every_allocation_fails_once(
      [&] {
        const auto classifier = Classifier::open(folder);
        return said(classifier, [](const Classifier& c) {
          const std::string_view text = "the good refund";
          auto session = c.session();
          const Answer answer = session.classify({&text, 1}).front();
          return std::string(answer.label) + std::to_string(answer.decision.confidence);
        });
      },
      11);
  fs::remove_all(folder);
}

}  // namespace
}  // namespace smidgen
