#include "smidgen/learn/fine_tune_task.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <numeric>
#include <sstream>
#include <utility>

#include "smidgen/base/atomic_file.h"
#include "smidgen/base/clock.h"
#include "smidgen/base/random.h"
#include "smidgen/learn/checkpoint_file.h"
#include "smidgen/tensor/training_kernels.h"

namespace smidgen {

namespace {

constexpr double kStandardErrors = 2;  // that two accuracies differ by when it is not chance

// Rises over the first `warm_up` steps, then falls to zero at `steps`.
double schedule(std::size_t step, std::size_t steps, double warm_up) {
  const double at = static_cast<double>(step) + 1, rise = std::max(1.0, warm_up * static_cast<double>(steps));
  if (at <= rise) return at / rise;
  return std::max(0.0, (static_cast<double>(steps) - at) / std::max(1.0, static_cast<double>(steps) - rise));
}

// A head's optimizer.
class HeadState {
 public:
  HeadState(const SoftmaxHead& head, const Kernels& kernels)
      : kernels_(kernels),
        d_weights_(head.weights.size()),
        d_bias_(head.bias.size()),
        moments_{std::vector<float>(head.weights.size()), std::vector<float>(head.weights.size()),
                 std::vector<float>(head.bias.size()), std::vector<float>(head.bias.size())} {}

  std::span<float> d_weights() { return d_weights_; }
  std::span<float> d_bias() { return d_bias_; }
  // Of both.
  double square_sum() const {
    const TrainingKernels& table = training_kernels(kernels_);
    return table.sum_of_squares(d_weights_.data(), d_weights_.size()) +
           table.sum_of_squares(d_bias_.data(), d_bias_.size());
  }
  void update(SoftmaxHead& head, std::size_t steps, double rate, double decay, double scale) {
    AdamStep step;
    step.gradient_scale = static_cast<float>(scale);
    step.rate = static_cast<float>(rate);
    step.decay = static_cast<float>(decay);
    step.correction1 = static_cast<float>(1 / (1 - std::pow(step.beta1, steps)));
    step.correction2 = static_cast<float>(1 / (1 - std::pow(step.beta2, steps)));
    const TrainingKernels& table = training_kernels(kernels_);
    table.adam(step, d_weights_.data(), d_weights_.size(), head.weights.data(), moments_[0].data(), moments_[1].data());
    step.decay = 0;
    table.adam(step, d_bias_.data(), d_bias_.size(), head.bias.data(), moments_[2].data(), moments_[3].data());
  }
  std::span<std::vector<float>> moments() { return moments_; }  // of weights, then of the bias

 private:
  const Kernels& kernels_;
  std::vector<float> d_weights_, d_bias_, moments_[4];
};

// Training from its first step, or from a checkpoint, to its last.
class Run {
 public:
  Run(TrainableEncoder& encoder, SoftmaxHead& head, const FineTuneTask& task, const FineTuneOptions& options,
      const Watcher& watcher)
      : encoder_(encoder),
        head_(head),
        task_(task),
        options_(options),
        watcher_(watcher),
        head_state_(head, kernels()),
        random_(options.seed),
        epochs_(options.epochs),
        held_rows_(options.held == nullptr ? 0 : options.held->labels.size()) {
    order_.resize(task.rows());
    std::iota(order_.begin(), order_.end(), 0U);
  }

  Result<FineTuneReport> run() {
    if (order_.empty()) return report_;
    if (!options_.checkpoint.empty()) restore();
    while (report_.epochs.size() < epochs_) {
      if (at_ == 0) random_.shuffle(std::span(order_));
      while (at_ < order_.size()) {
        step();
        if (at_ >= order_.size()) end_epoch();
        SMIDGEN_TRY(pause());
        if (at_ == 0) break;
      }
    }
    if (!options_.checkpoint.empty() && options_.checkpoint_when_done) SMIDGEN_TRY(save());
    report_.seconds = seconds();
    report_.rows_per_second =
        static_cast<double>(report_.epochs.size() * order_.size()) / std::max(1e-9, report_.seconds);
    return report_;
  }

 private:
  double seconds() const { return seconds_before_ + seconds_since(start_) - scoring_seconds_; }
  std::size_t steps_planned() const {
    return epochs_ * ((order_.size() + options_.batch_rows - 1) / options_.batch_rows);
  }

  void step() {
    const std::size_t count = std::min(options_.batch_rows, order_.size() - at_);
    const std::span<const std::uint32_t> batch(&order_[at_], count);
    const FineTuneTask::Outcome outcome = task_.gradients(encoder_, head_, batch, options_.dropout, random_.next(),
                                                          head_state_.d_weights(), head_state_.d_bias());
    at_ += count;
    loss_sum_ += outcome.loss * static_cast<double>(count);
    right_ += outcome.right;
    const double share = schedule(report_.steps, steps_planned(), options_.warm_up);
    const double squares = head_state_.square_sum();
    const UpdateRates rates{options_.rate * share, options_.layer_decay, options_.weight_decay,
                            options_.gradient_norm_max};
    const double scale = encoder_.update(rates, squares);
    ++report_.steps;
    head_state_.update(head_, report_.steps, options_.head_rate * share, options_.weight_decay, scale);
  }

  void end_epoch() {
    const auto count = static_cast<double>(order_.size());
    FineTuneEpoch epoch;
    epoch.epoch = report_.epochs.size() + 1;
    epoch.loss = loss_sum_ / count;
    epoch.accuracy = static_cast<double>(right_) / count;
    epoch.seconds = seconds();
    judge(epoch);
    report_.epochs.push_back(epoch);
    loss_sum_ = 0;
    right_ = at_ = 0;
    const std::size_t done = report_.epochs.size();
    if (done < epochs_ && options_.patience > 0 && worse_epochs(report_.epochs, held_rows_) >= options_.patience) {
      report_.out_of_patience = true;
      epochs_ = done;
    }
    if (options_.seconds_max <= 0 || done >= epochs_) return;
    const double left = options_.seconds_max - seconds(), each = seconds() / static_cast<double>(done);
    epochs_ = std::min(epochs_, done + (left <= 0 ? 0 : static_cast<std::size_t>(left / each)));
    report_.out_of_time = epochs_ == done;
  }

  void judge(FineTuneEpoch& epoch) {
    const auto start = steady_now();
    held_rows_ = task_.judge(encoder_, head_, epoch);
    scoring_seconds_ += seconds_since(start);
  }

  // Between two steps: says where it stands, keeps it, stops.
  Status pause() {
    const bool stop = watcher_.stop_requested();
    const double since = seconds_since(saved_);
    if (!options_.checkpoint.empty() && (stop || (since >= options_.checkpoint_seconds && since >= 50 * save_seconds_)))
      SMIDGEN_TRY(save());
    if (stop) return Error::cancelled();
    if (watcher_.progress) say();
    return Ok{};
  }

  void say() const {
    const auto count = static_cast<double>(order_.size());
    const double rows = static_cast<double>(report_.epochs.size()) * count + static_cast<double>(at_);
    const double speed = (rows - rows_before_) / std::max(1e-9, seconds_since(start_) - scoring_seconds_);
    const double all = static_cast<double>(epochs_) * count;
    const double seen = at_ > 0 ? static_cast<double>(at_) : count;
    const double loss = at_ > 0 ? loss_sum_ / seen : report_.epochs.back().loss;
    const double accuracy = at_ > 0 ? static_cast<double>(right_) / seen : report_.epochs.back().accuracy;
    std::string held;
    if (held_rows_ > 0 && !report_.epochs.empty())
      held = fmt::format(", held-out accuracy {:.3f}", report_.epochs.back().held_accuracy);
    watcher_.report("fine-tuning", rows / all,
                    fmt::format("epoch {} of {}, loss {:.3f}, train accuracy {:.3f}{}, {:.0f} rows/s",
                                report_.epochs.size() + (at_ > 0 ? 1 : 0), epochs_, loss, accuracy, held, speed));
  }

  // What a checkpoint must have been made with.
  std::string key() const {
    Sha256 hash;
    task_.add_to(hash);
    const FineTuneOptions& o = options_;
    hash.add(fmt::format("{} {} {} {} {} {} {} {} {} {} {} {} {} {}", o.patience, o.epochs, o.batch_rows, o.rate,
                         o.head_rate, o.warm_up, o.weight_decay, o.layer_decay, o.gradient_norm_max, o.dropout,
                         o.label_smoothing, o.seed, kernels().name, o.checkpoint_key));
    for (const float weight : o.class_weights) hash.add(fmt::format(" {}", weight));
    return to_hex(hash.finish());
  }

  Status save() {
    const auto start = steady_now();
    std::vector<NamedTensor> tensors = encoder_.checkpoint();
    const auto add = [&](const char* name, std::span<const float> values) {
      tensors.push_back({name, DType::kF32, {values.size()}, as_bytes(values)});
    };
    add("head weights", head_.weights);
    add("head bias", head_.bias);
    for (std::size_t i = 0; i < 4; ++i) add(kMoments[i], head_state_.moments()[i]);
    tensors.push_back({"order", DType::kU32, {order_.size()}, as_bytes(std::span<const std::uint32_t>(order_))});
    std::string ends;
    for (const FineTuneEpoch& epoch : report_.epochs)
      ends += fmt::format("{} {} {} {} {} ", epoch.loss, epoch.accuracy, epoch.held_loss, epoch.held_accuracy,
                          epoch.seconds);
    SMIDGEN_TRY(write_training_file(
        options_.checkpoint, std::move(tensors),
        {{"key", key()},
         {"state", fmt::format("{} {} {} {} {} {} {} {:d} {:d}", report_.steps, at_, random_.state(), loss_sum_, right_,
                               epochs_, seconds(), report_.out_of_patience, report_.out_of_time)},
         {"epochs", ends}}));
    saved_ = steady_now();
    save_seconds_ = seconds_since(start);
    return Ok{};
  }

  // The checkpoint of other rows or options is not looked at, a damaged one neither: training then begins anew.
  void restore() {
    remove_leftovers(options_.checkpoint);
    std::error_code code;
    if (!std::filesystem::exists(options_.checkpoint, code)) return;
    if (const Status read = read_checkpoint(); !read.ok())
      report_.note = fmt::format("Training began anew: where it stood could not be read ({} {}).", options_.checkpoint,
                                 read.error().message());
  }

  // Changes nothing unless all of it is right.
  Status read_checkpoint() {
    SMIDGEN_ASSIGN(const Safetensors file, open_training_file(options_.checkpoint));
    if (text_of(file, "key") != key()) return Ok{};
    Place place;
    SMIDGEN_TRY(read_place(file, place));
    std::vector<std::uint32_t> order(order_.size());
    SMIDGEN_ASSIGN(const TensorView stored, file.get("order", DType::kU32, std::vector<std::size_t>{order.size()}));
    std::memcpy(order.data(), stored.bytes.data(), stored.bytes.size());
    std::vector<std::uint32_t> sorted = order;
    std::sort(sorted.begin(), sorted.end());
    for (std::size_t i = 0; i < sorted.size(); ++i)
      if (sorted[i] != i) return Error::bad_data("does not name every row once");
    std::vector<std::vector<float>> floats;
    std::vector<std::pair<std::string, std::vector<float>*>> parts = {{"head weights", &head_.weights},
                                                                      {"head bias", &head_.bias}};
    for (std::size_t i = 0; i < 4; ++i) parts.emplace_back(kMoments[i], &head_state_.moments()[i]);
    for (const auto& [name, to] : parts) {
      SMIDGEN_ASSIGN(std::vector<float> values, file.floats(name, {to->size()}));
      floats.push_back(std::move(values));
    }
    SMIDGEN_TRY(encoder_.restore(file));
    for (std::size_t i = 0; i < parts.size(); ++i) *parts[i].second = std::move(floats[i]);
    order_ = std::move(order);
    report_ = std::move(place.report);
    at_ = place.at;
    epochs_ = place.epochs;
    right_ = place.right;
    random_ = Random(place.random);
    loss_sum_ = place.loss_sum;
    seconds_before_ = place.seconds;
    report_.resumed_steps = report_.steps;
    rows_before_ = static_cast<double>(report_.epochs.size() * order_.size() + at_);
    return Ok{};
  }

  // What the metadata of a checkpoint say.
  struct Place {
    FineTuneReport report;
    std::size_t at = 0, epochs = 0, right = 0;
    std::uint64_t random = 0;
    double loss_sum = 0, seconds = 0;
  };
  Status read_place(const Safetensors& file, Place& place) const {
    std::istringstream state(text_of(file, "state")), ends(text_of(file, "epochs"));
    state >> place.report.steps >> place.at >> place.random >> place.loss_sum >> place.right >> place.epochs >>
        place.seconds >> place.report.out_of_patience >> place.report.out_of_time;
    if (!state) return Error::bad_data("is not a checkpoint");
    FineTuneEpoch epoch;
    while (ends >> epoch.loss >> epoch.accuracy >> epoch.held_loss >> epoch.held_accuracy >> epoch.seconds) {
      ++epoch.epoch;
      place.report.epochs.push_back(epoch);
    }
    const std::size_t done = place.report.epochs.size(), batch = options_.batch_rows;
    const auto steps_of = [&](std::size_t rows) { return (rows + batch - 1) / batch; };
    if (!ends.eof() || place.at >= order_.size() || place.at % batch != 0 || place.right > place.at ||
        place.epochs > options_.epochs || done > place.epochs || (done == place.epochs && place.at > 0) ||
        place.report.steps != done * steps_of(order_.size()) + steps_of(place.at) || !std::isfinite(place.loss_sum) ||
        !(place.seconds >= 0) || !std::isfinite(place.seconds))
      return Error::bad_data("stands where training cannot");
    return Ok{};
  }

  static constexpr const char* kMoments[4] = {"head first", "head second", "bias first", "bias second"};

  TrainableEncoder& encoder_;
  SoftmaxHead& head_;
  const FineTuneTask& task_;
  const FineTuneOptions& options_;
  const Watcher& watcher_;
  const SteadyTime start_ = steady_now();
  SteadyTime saved_ = start_;
  double seconds_before_ = 0, scoring_seconds_ = 0, save_seconds_ = 0;
  HeadState head_state_;
  Random random_;
  std::vector<std::uint32_t> order_;  // of the rows, in this epoch
  std::size_t at_ = 0;                // rows of this epoch that are done
  std::size_t epochs_;                // that will be done
  std::size_t right_ = 0;             // of those, answered right
  std::size_t held_rows_;             // that judge, 0 for none
  double loss_sum_ = 0;               // over them
  double rows_before_ = 0;            // rows that runs before this one trained on
  FineTuneReport report_;
};

}  // namespace

Result<FineTuneReport> fine_tune(TrainableEncoder& encoder, SoftmaxHead& head, const FineTuneTask& task,
                                 const FineTuneOptions& options, const Watcher& watcher) {
  return Run(encoder, head, task, options, watcher).run();
}

std::size_t best_epoch(std::span<const FineTuneEpoch> epochs) {
  const auto fewer = [](const FineTuneEpoch& a, const FineTuneEpoch& b) { return a.held_accuracy < b.held_accuracy; };
  return static_cast<std::size_t>(std::max_element(epochs.begin(), epochs.end(), fewer) - epochs.begin());
}

std::size_t worse_epochs(std::span<const FineTuneEpoch> epochs, std::size_t held_rows) {
  if (epochs.empty() || held_rows == 0) return 0;
  const std::size_t best = best_epoch(epochs);
  const auto variance = [&](double share) { return share * (1 - share) / static_cast<double>(held_rows); };
  std::size_t worse = 0;
  for (std::size_t i = epochs.size(); i-- > best + 1; ++worse) {
    const double most = epochs[best].held_accuracy, now = epochs[i].held_accuracy;
    if (most - now <= kStandardErrors * std::sqrt(variance(most) + variance(now))) break;
  }
  return worse;
}

}  // namespace smidgen
