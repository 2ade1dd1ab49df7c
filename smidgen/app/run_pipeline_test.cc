#include "smidgen/app/run_pipeline.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <new>
#include <thread>

#include "smidgen/base/json.h"
#include "smidgen/model/fake_rung.h"

namespace smidgen {
namespace {

using testing::HasSubstr;

Classifier two_labels() {
  Bundle bundle;
  bundle.info.labels = {"</script>", "a\"b\n"};
  bundle.info.rungs = {{"linear", RungKind::kLinear, "linear", 0}, {"encoder", RungKind::kEncoder, "encoder", 8}};
  bundle.info.policy.stages = {{{1.0F}, {}, 0.9}, {{0.5F, 0.5F}, {}, 0.7}};
  for (const BundleRung& rung : bundle.info.rungs)
    bundle.rungs.push_back(std::make_unique<FakeRung>(rung.kind, rung.name, 2));
  return Classifier::of(std::move(bundle));
}

// `rows` records with ids 0.., every 50th one bad.
RecordSource counted(std::uint64_t rows) {
  return [rows, next = std::uint64_t{0}](Record& record) mutable -> Result<bool> {
    if (next == rows) return false;
    record.text = "text " + std::to_string(next);
    record.id_json = std::to_string(next);
    record.line = ++next;
    if (next % 50 == 0) record.error = Error::bad_data("is bad").in("f").at_line(next);
    return true;
  };
}

std::string collect(std::uint64_t rows, const PipelineOptions& options, PipelineSummary& summary) {
  const Classifier classifier = two_labels();
  std::string out;
  summary = run_pipeline(counted(rows), answer_with(classifier, options), options, [&](std::string_view lines) {
    out += lines;
    return Ok{};
  });
  return out;
}

TEST(RunPipelineTest, NamesTheFirstBadRowOfALaterBatch) {
  const Classifier classifier = two_labels();
  const PipelineOptions options = {.threads = 2};
  const RecordSource good_at_first = [source = counted(3 * kBatchRows)](Record& record) -> Result<bool> {
    SMIDGEN_ASSIGN(const bool found, source(record));
    if (record.line <= kBatchRows) record.error.reset();
    return found;
  };
  const PipelineSummary summary =
      run_pipeline(good_at_first, answer_with(classifier, options), options, [](std::string_view) { return Ok{}; });
  EXPECT_EQ(summary.first_bad, "f:150: is bad");
}

TEST(RunPipelineTest, KeepsOrderAndSaysTheSameForAnyNumberOfThreads) {
  PipelineSummary one, four;
  const std::string expected = collect(5000, {.threads = 1, .top = 2}, one);
  EXPECT_EQ(collect(5000, {.threads = 4, .top = 2}, four), expected);
  EXPECT_EQ(one.rows, 5000U);
  EXPECT_EQ(one.bad, 100U);
  EXPECT_EQ(one.first_bad, "f:50: is bad");
  EXPECT_EQ(four.first_bad, one.first_bad);
  EXPECT_EQ(one.escalated, four.escalated);
  EXPECT_GT(one.escalated, 0U);
  EXPECT_EQ(one.rows_at_rung, four.rows_at_rung);
  EXPECT_EQ(one.rows_at_rung[0] + one.rows_at_rung[1] + one.escalated, 4900U);
  std::uint64_t line = 0;
  for (std::size_t at = 0; at < expected.size(); ++line) {
    const std::size_t end = expected.find('\n', at);
    const auto document = JsonDocument::parse(std::string_view(expected).substr(at, end - at));
    ASSERT_TRUE(document.ok()) << expected.substr(at, end - at);
    ASSERT_EQ(*json_integer(document->root(), "id", 0, 5000), static_cast<std::int64_t>(line));
    const bool bad = (line + 1) % 50 == 0;
    ASSERT_EQ(json_has(document->root(), "error"), bad);
    ASSERT_EQ(json_has(document->root(), "label"), !bad);
    ASSERT_EQ(json_has(document->root(), "probabilities"), !bad);
    if (bad) {
      ASSERT_TRUE(*json_bool(document->root(), "escalated"));
    }
    at = end + 1;
  }
  EXPECT_EQ(line, 5000U);
}

TEST(RunPipelineTest, ATextThatSaysNothingIsAnsweredAndMarked) {
  const Classifier classifier = two_labels();
  const std::string texts[] = {"", " \t", "x", "\u00a0\u200b", "."};
  std::size_t at = 0;
  std::string out;
  const auto summary = run_pipeline(
      [&](Record& record) -> Result<bool> {
        if (at == std::size(texts)) return false;
        record.text = texts[at++];
        return true;
      },
      answer_with(classifier, {.top = 1}), {.threads = 1},
      [&](std::string_view lines) {
        out += lines;
        return Ok{};
      });
  EXPECT_EQ(summary.rows, 5U);
  EXPECT_EQ(summary.empty, 3U);
  EXPECT_EQ(summary.bad, 0U);
  std::size_t line = 0;
  for (std::size_t begin = 0; begin < out.size(); ++line) {
    const std::size_t end = out.find('\n', begin);
    const auto document = JsonDocument::parse(std::string_view(out).substr(begin, end - begin));
    ASSERT_TRUE(document.ok());
    EXPECT_TRUE(json_has(document->root(), "label"));
    EXPECT_EQ(json_has(document->root(), "empty"), line == 0 || line == 1 || line == 3) << line;
    begin = end + 1;
  }
  EXPECT_EQ(line, 5U);
}

TEST(RunPipelineTest, GoesOnWithTheCountsOfAnEarlierPart) {
  PipelineSummary whole, part;
  const std::string expected = collect(5000, {.threads = 2}, whole);
  std::string out = collect(1000, {.threads = 2}, part);
  RecordSource rest = counted(5000);
  Record left_out;
  for (int row = 0; row < 1000; ++row) ASSERT_TRUE(*rest(left_out));
  const Classifier classifier = two_labels();
  std::uint64_t least = 5000;
  const PipelineSummary last = run_pipeline(
      [&](Record& record) { return rest(record); }, answer_with(classifier, {}),
      {.threads = 2, .before = part, .written = [&](const PipelineCounts& c) { least = std::min(least, c.rows); }},
      [&](std::string_view lines) {
        out += lines;
        return Ok{};
      });
  EXPECT_EQ(out, expected);
  EXPECT_GE(least, 1000U);
  EXPECT_EQ(last.rows, whole.rows);
  EXPECT_EQ(last.bad, whole.bad);
  EXPECT_EQ(last.first_bad, whole.first_bad);
  EXPECT_EQ(last.escalated, whole.escalated);
  EXPECT_EQ(last.cut, whole.cut);
  EXPECT_EQ(last.rows_at_rung, whole.rows_at_rung);
}

TEST(RunPipelineTest, StrictStopsAtTheFirstBadRow) {
  PipelineSummary summary;
  collect(5000, {.threads = 2, .strict = true}, summary);
  EXPECT_EQ(summary.rows, 49U);
  ASSERT_TRUE(summary.error.has_value());
  EXPECT_EQ(summary.error->message(), "f:50: is bad");
}

TEST(RunPipelineTest, EmptyInputIsFine) {
  PipelineSummary summary;
  EXPECT_EQ(collect(0, {.threads = 2}, summary), "");
  EXPECT_FALSE(summary.error.has_value());
}

TEST(RunPipelineTest, AFailingReaderStillAnswersWhatItRead) {
  const Classifier classifier = two_labels();
  int left = 10;
  std::string out;
  const auto summary = run_pipeline(
      [&](Record& record) -> Result<bool> {
        if (left-- == 0) return Error::io("the disk is gone");
        record.text = "x";
        return true;
      },
      answer_with(classifier, {}), {.threads = 2},
      [&](std::string_view lines) {
        out += lines;
        return Ok{};
      });
  EXPECT_EQ(summary.rows, 10U);
  EXPECT_THAT(summary.error->message(), HasSubstr("the disk is gone"));
}

TEST(RunPipelineTest, AFailingSinkStopsTheRun) {
  const Classifier classifier = two_labels();
  int calls = 0;
  const auto summary =
      run_pipeline(counted(1U << 30), answer_with(classifier, {}), {.threads = 2}, [&](std::string_view) -> Status {
        if (++calls == 3) return Error::io("no space left");
        return Ok{};
      });
  EXPECT_EQ(calls, 3);
  EXPECT_THAT(summary.error->message(), HasSubstr("no space left"));
}

TEST(RunPipelineTest, ASinkWithoutMemoryStopsTheRun) {
  const Classifier classifier = two_labels();
  int calls = 0;
  const auto summary =
      run_pipeline(counted(1U << 30), answer_with(classifier, {}), {.threads = 2}, [&](std::string_view) -> Status {
        if (++calls == 3) throw std::bad_alloc();
        return Ok{};
      });
  EXPECT_EQ(calls, 3);
  ASSERT_TRUE(summary.error);
  EXPECT_EQ(summary.error->kind(), ErrorKind::kIo);
  EXPECT_THAT(summary.error->message(), HasSubstr("out of memory"));
}

TEST(RunPipelineTest, CancelEndsAnEndlessRun) {
  const Classifier classifier = two_labels();
  std::uint64_t seen = 0;
  const auto summary = run_pipeline(counted(1U << 30), answer_with(classifier, {}),
                                    {.threads = 2,
                                     .cancelled = [&] { return seen > 1000; },
                                     .written = [&](const PipelineCounts& counts) { seen = counts.rows; }},
                                    [](std::string_view) { return Ok{}; });
  EXPECT_EQ(summary.error->kind(), ErrorKind::kCancelled);
}

// A person types a row and waits for its answer before typing the next.
TEST(RunPipelineTest, ASlowInputIsAnsweredRowByRow) {
  const Classifier classifier = two_labels();
  std::mutex mutex;
  std::condition_variable answered;
  int asked = 0, answers = 0;
  bool waited_too_long = false;
  const auto summary = run_pipeline(
      [&](Record& record) -> Result<bool> {
        std::unique_lock lock(mutex);
        if (!answered.wait_for(lock, std::chrono::seconds(20), [&] { return answers == asked; }))
          waited_too_long = true;
        if (asked == 20 || waited_too_long) return false;
        record.text = "question " + std::to_string(++asked);
        return true;
      },
      answer_with(classifier, {}), {.threads = 2},
      [&](std::string_view lines) {
        std::lock_guard lock(mutex);
        for (const char c : lines) answers += c == '\n';
        answered.notify_one();
        return Ok{};
      });
  EXPECT_FALSE(waited_too_long);
  EXPECT_EQ(summary.rows, 20U);
}

}  // namespace
}  // namespace smidgen
