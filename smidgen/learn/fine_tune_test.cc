// Fine-tuning end to end on the tiny encoder: the loss's derivative, learning what a frozen body cannot, the same
// numbers for any number of threads, stopping.
#include "smidgen/learn/fine_tune.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <csignal>
#include <filesystem>

#include "smidgen/base/atomic_file.h"
#include "smidgen/base/file.h"
#include "smidgen/base/random.h"
#include "smidgen/learn/checkpoint_file.h"

namespace smidgen {
namespace {

namespace fs = std::filesystem;

const std::string kTiny = std::string(SMIDGEN_SOURCE_DIR) + "/tests/golden/tiny_bert";

SoftmaxHead random_head(Random& random, std::size_t labels) {
  SoftmaxHead head{labels, 24, std::vector<float>(labels * 24), std::vector<float>(labels)};
  for (float& weight : head.weights) weight = static_cast<float>(random.normal() * 0.1);
  return head;
}

TEST(HeadLoss, IsTheSmoothedCrossEntropyAndItsDerivative) {
  Random random(1);
  SoftmaxHead head = random_head(random, 3);
  const std::vector<std::uint32_t> labels = {2, 0, 1, 2};
  const std::vector<float> class_weights = {1, 2, 0.5F};
  std::vector<float> x(4 * 24), d_x(x.size()), d_weights(3 * 24), d_bias(3);
  for (float& value : x) value = static_cast<float>(random.normal());
  const auto loss_at = [&] {
    HeadLoss loss(head, labels, 0.1, class_weights);
    std::vector<float> ignored(x.size());
    return loss.run(0, 4, x.data(), ignored.data());
  };
  HeadLoss loss(head, labels, 0.1, class_weights);
  loss.run(2, 2, x.data() + 48, d_x.data() + 48);  // in parts, as shards do
  loss.run(0, 2, x.data(), d_x.data());
  loss.head_gradients(kernels(), d_weights, d_bias);
  const auto expect_slope = [&](float& at, double claimed) {
    const float kept = at;
    at = kept + 1e-2F;
    const double up = loss_at();
    at = kept - 1e-2F;
    const double down = loss_at();
    at = kept;
    EXPECT_NEAR(claimed, (up - down) / 2e-2, 1e-4);
  };
  for (std::size_t i = 0; i < x.size(); i += 7) expect_slope(x[i], d_x[i]);
  for (std::size_t i = 0; i < d_weights.size(); i += 5) expect_slope(head.weights[i], d_weights[i]);
  for (std::size_t i = 0; i < 3; ++i) expect_slope(head.bias[i], d_bias[i]);
  // By hand for one row: weight 2 of 2, target 0.1 / 3 everywhere and 0.9 more on the label.
  const std::vector<std::uint32_t> one = {1};
  HeadLoss single(head, one, 0.1, {});
  std::vector<float> scores(3), ignored(24);
  head.log_probabilities({x.data(), 24}, scores);
  const double wanted = -0.9 * scores[1] - 0.1 / 3 * (scores[0] + scores[1] + scores[2]);
  EXPECT_NEAR(single.run(0, 1, x.data(), ignored.data()), wanted, 1e-5);
}

// A row with a distribution and a weight is as good as weighted copies of it, one for each label.
TEST(HeadLoss, TakesDistributionsAndWeights) {
  Random random(2);
  const SoftmaxHead head = random_head(random, 3);
  std::vector<float> x(2 * 24), copies;
  for (float& value : x) value = static_cast<float>(random.normal());
  FitTargets soft, hard;
  soft.soft.add_row(std::vector<SoftLabel>{{0, 0.7F}, {2, 0.3F}});
  soft.soft.add_row(std::vector<SoftLabel>{{1, 1.0F}});
  soft.weights = {1.0F, 0.5F};
  const std::vector<std::uint32_t> labels = {0, 1}, labels_of_copies = {0, 2, 1};
  hard.weights = {0.7F, 0.3F, 0.5F};
  for (const std::size_t row : {0, 0, 1})
    copies.insert(copies.end(), x.begin() + static_cast<std::ptrdiff_t>(row * 24),
                  x.begin() + static_cast<std::ptrdiff_t>((row + 1) * 24));
  HeadLoss one(head, labels, 0.1, {}, &soft), many(head, labels_of_copies, 0.1, {}, &hard);
  std::vector<float> d_one(2 * 24), d_many(3 * 24);
  EXPECT_NEAR(one.run(0, 2, x.data(), d_one.data()), many.run(0, 3, copies.data(), d_many.data()), 1e-6);
  for (std::size_t i = 0; i < 24; ++i) {
    EXPECT_NEAR(d_one[i], d_many[i] + d_many[24 + i], 1e-6);
    EXPECT_NEAR(d_one[24 + i], d_many[48 + i], 1e-6);
  }
}

// Which of two words comes first: a mean of word vectors cannot tell, attention with positions can.
TokenRows order_task(std::size_t rows) {
  Random random(2);
  TokenRows task;
  for (std::size_t i = 0; i < rows; ++i) {
    const bool swapped = random.below(2) == 1;
    const auto filler = static_cast<std::int32_t>(20 + random.below(30));
    task.ids.push_back({2, swapped ? 8 : 9, filler, swapped ? 9 : 8, 3});
    task.labels.push_back(swapped ? 1 : 0);
  }
  return task;
}

struct Outcome {
  FineTuneReport report;
  std::vector<float> scores;
};
Outcome run_task(std::size_t threads, Precision precision) {
  ThreadPool pool(threads);
  auto encoder = TrainableEncoder::load(kTiny, precision, kernels(), pool);
  Random random(3);
  SoftmaxHead head = random_head(random, 2);
  const TokenRows task = order_task(256);
  FineTuneOptions options;
  options.epochs = 8;
  options.batch_rows = 16;
  options.rate = 2e-3;
  const auto report = fine_tune(*encoder, head, task, options, {});
  EXPECT_TRUE(report.ok());
  return {*report, score_rows(*encoder, head, task.ids)};
}

TEST(FineTune, LearnsWhatTheBodyDidNotKnow) {
  const Outcome f32 = run_task(2, Precision::kF32);
  ASSERT_EQ(f32.report.epochs.size(), 8U);
  EXPECT_EQ(f32.report.steps, 8U * 16U);
  EXPECT_GT(f32.report.epochs.front().loss, 0.4);
  EXPECT_LT(f32.report.epochs.back().loss, 0.1);
  const TokenRows task = order_task(256);
  std::size_t right = 0;
  for (std::size_t i = 0; i < 256; ++i)
    right += (f32.scores[2 * i + 1] > f32.scores[2 * i]) == (task.labels[i] == 1) ? 1 : 0;
  EXPECT_GE(right, 250U);
  EXPECT_LT(run_task(2, Precision::kBf16).report.epochs.back().loss, 0.15);
}

TEST(FineTune, ThreadsChangeNoBit) {
  for (const Precision precision : {Precision::kF32, Precision::kBf16})
    EXPECT_EQ(run_task(1, precision).scores, run_task(3, precision).scores);
}

TEST(FineTune, StopsWhenAskedAndCutsItsScheduleToTheTime) {
  ThreadPool pool(1);
  auto encoder = TrainableEncoder::load(kTiny, Precision::kF32, kernels(), pool);
  Random random(3);
  SoftmaxHead head = random_head(random, 2);
  Watcher watcher;
  std::size_t asked = 0;
  watcher.cancelled = [&] { return ++asked == 3; };
  const auto stopped = fine_tune(*encoder, head, order_task(64), {}, watcher);
  ASSERT_FALSE(stopped.ok());
  EXPECT_EQ(stopped.error().kind(), ErrorKind::kCancelled);
  FineTuneOptions options;
  options.epochs = 1000000;
  options.seconds_max = 1e-9;
  const auto report = fine_tune(*encoder, head, order_task(64), options, {});
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(report->epochs.size(), 1U);
  EXPECT_TRUE(report->out_of_time);
  options.epochs = 1;
  EXPECT_FALSE(fine_tune(*encoder, head, order_task(64), options, {})->out_of_time);  // it is all that was wanted
}

TEST(FineTune, CountsTheEpochsThatAreWorseByMoreThanChance) {
  const auto epochs = [](std::initializer_list<double> accuracies) {
    std::vector<FineTuneEpoch> list;
    for (const double accuracy : accuracies) list.emplace_back().held_accuracy = accuracy;
    return list;
  };
  EXPECT_EQ(worse_epochs({}, 100), 0U);
  EXPECT_EQ(worse_epochs(epochs({0.5}), 100), 0U);
  // Two standard errors of 0.6 against 0.45, 100 rows each: 0.140; 50 rows: 0.198.
  EXPECT_EQ(worse_epochs(epochs({0.6, 0.45, 0.45}), 100), 2U);
  EXPECT_EQ(worse_epochs(epochs({0.6, 0.45, 0.45}), 50), 0U);
  EXPECT_EQ(worse_epochs(epochs({0.6, 0.45, 0.55, 0.45}), 100), 1U);  // in a row
  EXPECT_EQ(worse_epochs(epochs({0.2, 0.45, 0.6, 0.6}), 100), 0U);
  EXPECT_EQ(worse_epochs(epochs({1, 0, 0}), 10), 2U);
  EXPECT_EQ(worse_epochs(epochs({0, 0, 0}), 10), 0U);
  EXPECT_EQ(worse_epochs(epochs({1, 0, 0}), 0), 0U);
  EXPECT_EQ(best_epoch(epochs({0.2, 0.6, 0.6})), 1U);  // the earliest of equals
}

// A task whose rows say the opposite of those of order_task.
TokenRows opposite_task(std::size_t rows) {
  TokenRows task = order_task(rows);
  for (std::uint32_t& label : task.labels) label = 1 - label;
  return task;
}

TEST(FineTune, LosesPatienceWithHeldRowsThatGetWorse) {
  ThreadPool pool(1);
  auto encoder = TrainableEncoder::load(kTiny, Precision::kF32, kernels(), pool);
  Random random(3);
  SoftmaxHead head = random_head(random, 2);
  TokenRows held = order_task(40);
  FineTuneOptions options;
  options.epochs = 9;
  options.held = &held;
  const auto patient = fine_tune(*encoder, head, order_task(64), options, {});
  ASSERT_TRUE(patient.ok());
  ASSERT_EQ(patient->epochs.size(), 9U);
  EXPECT_FALSE(patient->out_of_patience);
  const std::vector<float> scores = score_rows(*encoder, head, held.ids);
  double right = 0, loss = 0;
  for (std::size_t i = 0; i < 40; ++i) {
    right += (scores[2 * i + 1] > scores[2 * i]) == (held.labels[i] == 1) ? 1 : 0;
    loss -= static_cast<double>(scores[2 * i + held.labels[i]]);
  }
  EXPECT_NEAR(patient->epochs.back().held_accuracy, right / 40, 1e-9);
  EXPECT_NEAR(patient->epochs.back().held_loss, loss / 40, 1e-6);
  held.labels.assign(40, 2);  // a label there is not: no epoch is worse than another
  options.patience = 2;
  const auto never_right = fine_tune(*encoder, head, order_task(64), options, {});
  ASSERT_TRUE(never_right.ok());
  EXPECT_FALSE(never_right->out_of_patience);
  held = opposite_task(40);
  encoder = TrainableEncoder::load(kTiny, Precision::kF32, kernels(), pool);
  head = random_head(random, 2);
  options.rate = 2e-3;
  options.epochs = 20;
  const auto report = fine_tune(*encoder, head, order_task(64), options, {});
  ASSERT_TRUE(report.ok());
  EXPECT_LT(report->epochs.size(), 20U);
  EXPECT_TRUE(report->out_of_patience);
  EXPECT_EQ(worse_epochs(report->epochs, 40), 2U);
}

class CheckpointTest : public testing::Test {
 protected:
  void SetUp() override { fs::remove_all(folder_); }
  void TearDown() override { fs::remove_all(folder_); }

  struct Trained {
    Result<FineTuneReport> report = Error::internal("not run");
    std::vector<float> scores;
  };
  // Stops when asked `stop_at` times; 0: never.
  Trained train(std::size_t stop_at, double seconds = 1e9) const {
    fs::create_directories(folder_);
    ThreadPool pool(2);
    auto encoder = TrainableEncoder::load(kTiny, Precision::kBf16, kernels(), pool);
    Random random(3);
    SoftmaxHead head = random_head(random, 2);
    const TokenRows task = order_task(100);
    FineTuneOptions options;
    options.epochs = 3;
    options.batch_rows = 16;
    options.rate = 2e-3;
    options.checkpoint = (folder_ / "checkpoint").string();
    options.checkpoint_seconds = seconds;
    Watcher watcher;
    std::size_t asked = 0;
    if (stop_at > 0) watcher.cancelled = [&] { return ++asked == stop_at; };
    Trained trained;
    trained.report = fine_tune(*encoder, head, task, options, watcher);
    trained.scores = score_rows(*encoder, head, task.ids);
    return trained;
  }

  // Another task with a checkpoint in the same place, of 100 rows in f32; stops as above.
  Result<FineTuneReport> train_as(FineTuneOptions options, std::size_t stop_at) const {
    fs::create_directories(folder_);
    ThreadPool pool(1);
    auto encoder = TrainableEncoder::load(kTiny, Precision::kF32, kernels(), pool);
    Random random(3);
    SoftmaxHead head = random_head(random, 2);
    options.checkpoint = (folder_ / "checkpoint").string();
    Watcher watcher;
    std::size_t asked = 0;
    if (stop_at > 0) watcher.cancelled = [&] { return ++asked == stop_at; };
    return fine_tune(*encoder, head, order_task(100), options, watcher);
  }

  const fs::path folder_ = fs::path(testing::TempDir()) / ("smidgen_checkpoint_" + std::to_string(getpid()));
};

TEST_F(CheckpointTest, GoesOnToTheBit) {
  const Trained whole = train(0);
  ASSERT_TRUE(whole.report.ok()) << whole.report.error().message();
  fs::remove_all(folder_);
  for (const std::size_t stop : {1U, 2U, 4U, 7U}) {  // the last ends the second epoch: 7 batches an epoch
    const Trained part = train(stop);
    ASSERT_FALSE(part.report.ok());
    EXPECT_EQ(part.report.error().kind(), ErrorKind::kCancelled);
  }
  const Trained rest = train(0);
  ASSERT_TRUE(rest.report.ok()) << rest.report.error().message();
  EXPECT_EQ(rest.report->resumed_steps, 14U);
  EXPECT_EQ(rest.report->steps, whole.report->steps);
  EXPECT_EQ(rest.scores, whole.scores);
  for (std::size_t epoch = 0; epoch < 3; ++epoch)
    EXPECT_EQ(rest.report->epochs[epoch].loss, whole.report->epochs[epoch].loss);
}

TEST_F(CheckpointTest, OfOtherRowsIsNotLookedAt) {
  ASSERT_FALSE(train(5).report.ok());
  ThreadPool pool(1);
  auto encoder = TrainableEncoder::load(kTiny, Precision::kBf16, kernels(), pool);
  Random random(3);
  SoftmaxHead head = random_head(random, 2);
  FineTuneOptions options;
  options.epochs = 3;
  options.batch_rows = 16;
  options.rate = 2e-3;
  options.checkpoint = (folder_ / "checkpoint").string();
  const auto report = fine_tune(*encoder, head, order_task(101), options, {});
  ASSERT_TRUE(report.ok()) << report.error().message();
  EXPECT_EQ(report->resumed_steps, 0U);
}

TEST_F(CheckpointTest, OfOtherHeldRowsIsNotLookedAt) {
  TokenRows held = order_task(20);
  FineTuneOptions options;
  options.epochs = 2;
  options.held = &held;
  options.checkpoint_seconds = 1e9;
  const auto resumed = [&](std::size_t stop_at) {
    const auto report = train_as(options, stop_at);
    EXPECT_EQ(report.ok(), stop_at == 0);
    return report.ok() ? report->resumed_steps : 0;
  };
  resumed(3);
  held.ids[7][2] += 1;  // another text, the same labels
  EXPECT_EQ(resumed(0), 0U);
  held.ids[7][2] -= 1;
  EXPECT_EQ(resumed(0), 3U);
}

TEST_F(CheckpointTest, KnowsThatTimeWasOver) {
  FineTuneOptions options;
  options.seconds_max = 1e-9;
  ASSERT_FALSE(train_as(options, 4).ok());  // four batches an epoch: with the last
  const auto report = train_as(options, 0);
  ASSERT_TRUE(report.ok()) << report.error().message();
  EXPECT_EQ(report->resumed_steps, 4U);
  EXPECT_EQ(report->epochs.size(), 1U);
  EXPECT_TRUE(report->out_of_time);
}

TEST_F(CheckpointTest, KnowsThatPatienceWasLost) {
  const TokenRows held = opposite_task(60);
  FineTuneOptions options;
  options.epochs = 20;
  options.rate = 2e-3;
  options.held = &held;
  options.patience = 2;
  const std::size_t epochs = train_as(options, 0)->epochs.size();
  ASSERT_LT(epochs, 20U);
  fs::remove_all(folder_);
  ASSERT_FALSE(train_as(options, epochs * 4).ok());  // four batches an epoch: with the last
  const auto report = train_as(options, 0);
  ASSERT_TRUE(report.ok()) << report.error().message();
  EXPECT_EQ(report->resumed_steps, epochs * 4);
  EXPECT_EQ(report->epochs.size(), epochs);
  EXPECT_TRUE(report->out_of_patience);
}

// Whatever a file says that looks like a checkpoint: training ends with the bits it would have without it.
TEST_F(CheckpointTest, ADamagedOneBeginsAnewAndSaysSo) {
  const Trained whole = train(0);
  fs::remove_all(folder_);
  ASSERT_FALSE(train(5).report.ok());
  const std::string path = (folder_ / "checkpoint").string();
  const std::string good = *read_file(path, 1 << 24);
  Random random(5);
  for (int attempt = 0; attempt < 30; ++attempt) {
    std::string bad = good;
    // Half of them in the header, where the numbers are.
    const std::size_t at = random.below(attempt % 2 == 0 ? 4096 : bad.size());
    bad[at] = static_cast<char>(bad[at] ^ (1 << random.below(8)));
    if (attempt == 28) bad.resize(bad.size() / 2);
    if (attempt == 29) bad.clear();
    ASSERT_TRUE(write_file_atomic(path, bad).ok());
    const Trained rest = train(0);
    ASSERT_TRUE(rest.report.ok()) << at << ' ' << rest.report.error().message();
    EXPECT_EQ(rest.scores, whole.scores) << at;
    EXPECT_EQ(rest.report->note.empty(), rest.report->resumed_steps == 5) << at << rest.report->note;
  }
}

// Files that are whole but say what cannot be.
TEST_F(CheckpointTest, AnImpossibleOneBeginsAnewAndSaysSo) {
  const Trained whole = train(0);
  fs::remove_all(folder_);
  ASSERT_FALSE(train(5).report.ok());
  const std::string path = (folder_ / "checkpoint").string();
  const std::string good = *read_file(path, 1 << 24);
  const auto expect_anew = [&](const char* part, const std::string& wanted, std::vector<std::uint32_t> order) {
    ASSERT_TRUE(write_file_atomic(path, good).ok());
    const Safetensors file = *open_training_file(path);
    std::vector<NamedTensor> tensors;
    for (const std::string& name : file.names()) {
      const TensorView& view = *file.find(name);
      tensors.push_back({name, view.dtype, view.shape, view.bytes});
      if (name == "order" && !order.empty()) tensors.back().bytes = as_bytes(std::span<const std::uint32_t>(order));
    }
    std::map<std::string, std::string> metadata(file.metadata().begin(), file.metadata().end());
    metadata.erase("format");
    if (!wanted.empty()) metadata[part] = wanted;
    ASSERT_TRUE(write_training_file(path, tensors, metadata).ok());
    const Trained rest = train(0);
    ASSERT_TRUE(rest.report.ok()) << wanted << rest.report.error().message();
    EXPECT_EQ(rest.scores, whole.scores) << wanted;
    EXPECT_NE(rest.report->note, "") << wanted;
    EXPECT_EQ(rest.report->resumed_steps, 0U);
  };
  std::vector<std::uint32_t> twice(100), beyond(100);
  for (std::uint32_t i = 0; i < 100; ++i) twice[i] = i / 2, beyond[i] = i + 1000000;
  expect_anew("", "", twice);
  expect_anew("", "", beyond);
  // steps, rows done, random, loss, right, epochs, seconds, out of patience, of time; of 100 rows in batches of 16, 3
  // epochs.
  for (const char* state :
       {"5 100 7 1 0 3 1 0 0", "5 81 7 1 0 3 1 0 0", "5 80 7 1 0 1000000000 1 0 0", "5 80 7 1 0 0 1 0 0",
        "6 80 7 1 0 3 1 0 0", "5 80 7 nan 0 3 1 0 0", "5 80 7 1 90 3 1 0 0", "5 80 7 1 0 3 -1 0 0", "5", "x"})
    expect_anew("state", state, {});
  expect_anew("epochs", "1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 ", {});
  expect_anew("epochs", "nonsense", {});
}

// Children that write a checkpoint after every step are killed, wherever they are, until one comes to its end.
TEST_F(CheckpointTest, SurvivesBeingKilledAtAnyMoment) {
  const Trained whole = train(0);
  fs::remove_all(folder_);
  Random random(17);
  std::size_t killed = 0;
  for (int attempt = 0; attempt < 200; ++attempt) {
    const pid_t child = fork();
    if (child == 0) _exit(train(0, 0).report.ok() ? 0 : 1);
    usleep(static_cast<useconds_t>(500 + random.below(20000) + static_cast<std::uint64_t>(attempt) * 500));
    kill(child, SIGKILL);
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    if (WIFSIGNALED(status)) {
      ++killed;
      continue;
    }
    ASSERT_EQ(WEXITSTATUS(status), 0);
    if (killed >= 3) break;
    fs::remove_all(folder_);  // it was too fast: once more from the start
  }
  ASSERT_GE(killed, 3U);
  const Trained rest = train(0);
  ASSERT_TRUE(rest.report.ok()) << rest.report.error().message();
  EXPECT_GT(rest.report->resumed_steps, 0U);
  EXPECT_EQ(rest.scores, whole.scores);
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()), 1);  // no leftovers
}

// A file that may not grow fails as a full disk does, with another number.
TEST_F(CheckpointTest, AFullDiskIsAnErrorAndTheOldCheckpointStays) {
  ASSERT_FALSE(train(3).report.ok());
  const auto before = fs::file_size(folder_ / "checkpoint");
  const pid_t child = fork();
  if (child == 0) {
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{50000, 50000};
    setrlimit(RLIMIT_FSIZE, &limit);
    const Trained full = train(0, 0);
    const bool said = !full.report.ok() && full.report.error().message().find("free space") != std::string::npos;
    _exit(said ? full.report.error().exit_code() : 0);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 74);
  EXPECT_EQ(fs::file_size(folder_ / "checkpoint"), before);
  const Trained rest = train(0);
  ASSERT_TRUE(rest.report.ok());
  EXPECT_EQ(rest.report->resumed_steps, 3U);
}

}  // namespace
}  // namespace smidgen
