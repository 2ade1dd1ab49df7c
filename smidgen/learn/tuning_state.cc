#include "smidgen/learn/tuning_state.h"

#include <fmt/format.h>

#include <filesystem>
#include <sstream>
#include <system_error>
#include <utility>

#include "smidgen/base/file.h"
#include "smidgen/base/sha256.h"
#include "smidgen/learn/checkpoint_file.h"
#include "smidgen/learn/state_folder.h"
#include "smidgen/tensor/safetensors.h"

namespace smidgen {

namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t kPlanBytesMax = 1000;

// The numbers and a digest of them.
std::string text_of(const TunePlan& plan) {
  const std::string numbers = fmt::format("{} {} {} {}", plan.epochs, plan.folds, plan.left_out, plan.seconds);
  return numbers + " " + sha256_hex(numbers) + "\n";
}

// Nothing, unless plan_tuning could have made it.
std::optional<TunePlan> plan_of(const std::string& text) {
  std::istringstream stream(text);
  TunePlan plan;
  if (!(stream >> plan.epochs >> plan.folds >> plan.left_out >> plan.seconds) || text_of(plan) != text)
    return std::nullopt;
  const bool folds_possible = plan.folds == kTuneFoldsMax ? plan.left_out == 1 || plan.left_out == 2
                                                          : plan.left_out == 1 && (plan.folds == 2 || plan.folds == 3);
  const bool possible = plan.epochs >= 1 && plan.epochs <= kTuneEpochsMax && folds_possible && plan.seconds >= 0;
  return possible ? std::optional(plan) : std::nullopt;
}

}  // namespace

Result<TuningState> TuningState::open(const std::string& parent, const std::string& key) {
  if (parent.empty()) return TuningState("");
  remove_abandoned(parent, key);
  std::error_code code, ignored;
  const std::string folder = parent + "/" + key;
  fs::create_directories(folder, code);
  if (code) return Error(ErrorKind::kCannotCreate, "cannot create folder: " + code.message()).in(folder);
  fs::last_write_time(folder, fs::file_time_type::clock::now(), ignored);  // somebody came back to it
  return TuningState(folder);
}

std::optional<TunePlan> TuningState::plan() const {
  if (folder_.empty()) return std::nullopt;
  const Result<std::string> text = read_file(folder_ + "/plan", kPlanBytesMax);
  return text.ok() ? plan_of(*text) : std::nullopt;
}

Status TuningState::keep(const TunePlan& plan) const {
  if (folder_.empty()) return Ok{};
  return write_file_atomic(folder_ + "/plan", text_of(plan));
}

std::optional<FinishedPart> TuningState::part(std::size_t part_number) const {
  if (folder_.empty()) {
    const auto found = parts_.find(part_number);
    return found == parts_.end() ? std::nullopt : std::optional(found->second);
  }
  const auto file = open_training_file(fmt::format("{}/part-{}", folder_, part_number));
  if (!file.ok()) return std::nullopt;
  const TensorView* weights_view = file->find("weights");
  auto weights = file->floats("weights", {weights_view == nullptr ? 0 : weights_view->count()});
  const std::optional<TunePlan> plan = plan_of(text_of(*file, "plan"));
  const std::string ended = text_of(*file, "to_its_end");
  if (!weights.ok() || !plan || (ended != "yes" && ended != "no")) return std::nullopt;
  return FinishedPart{std::move(weights).value(), ended == "yes", *plan};
}

Status TuningState::keep(std::size_t part_number, FinishedPart part) {
  if (folder_.empty()) {
    parts_[part_number] = std::move(part);
    return Ok{};
  }
  SMIDGEN_TRY(write_training_file(fmt::format("{}/part-{}", folder_, part_number),
                                  {{"weights", DType::kF32, {part.weights.size()}, as_bytes(part.weights)}},
                                  {{"plan", text_of(part.plan)}, {"to_its_end", part.to_its_end ? "yes" : "no"}}));
  std::error_code code;
  fs::remove(checkpoint(part_number), code);
  return Ok{};
}

std::optional<FinishedFold> TuningState::fold(std::size_t fold_number, Precision precision, std::size_t scores,
                                              std::size_t exits) const {
  if (folder_.empty()) return std::nullopt;
  const auto file = open_training_file(fmt::format("{}/fold-{}-{}", folder_, fold_number, precision_name(precision)));
  if (!file.ok()) return std::nullopt;
  auto kept = file->floats("scores", {scores}), in_training = file->floats("in_training", {scores});
  const std::optional<TunePlan> plan = plan_of(text_of(*file, "plan"));
  if (!kept.ok() || !in_training.ok() || !plan) return std::nullopt;
  FinishedFold fold{std::move(kept).value(), std::move(in_training).value(), *plan, {}};
  for (std::size_t exit = 0; exit < exits; ++exit) {
    auto said = file->floats(fmt::format("exit_{}", exit), {scores});
    const auto c = file->floats(fmt::format("exit_{}_c", exit), {1});
    if (!said.ok() || !c.ok() || !((*c)[0] > 0)) return std::nullopt;
    fold.exits.push_back({double{(*c)[0]}, std::move(said).value()});
  }
  return fold;
}

Status TuningState::keep(std::size_t fold_number, Precision precision, const FinishedFold& fold) const {
  if (folder_.empty()) return Ok{};
  std::vector<NamedTensor> tensors = {
      {"scores", DType::kF32, {fold.scores.size()}, as_bytes(fold.scores)},
      {"in_training", DType::kF32, {fold.in_training.size()}, as_bytes(fold.in_training)}};
  std::vector<float> c;
  for (const FinishedFold::Exit& exit : fold.exits) c.push_back(static_cast<float>(exit.c));
  for (std::size_t i = 0; i < c.size(); ++i) {
    const std::vector<float>& said = fold.exits[i].scores;
    tensors.push_back({fmt::format("exit_{}", i), DType::kF32, {said.size()}, as_bytes(said)});
    tensors.push_back({fmt::format("exit_{}_c", i), DType::kF32, {1}, as_bytes(std::span<const float>(&c[i], 1))});
  }
  return write_training_file(fmt::format("{}/fold-{}-{}", folder_, fold_number, precision_name(precision)),
                             std::move(tensors), {{"plan", text_of(fold.plan)}});
}

bool TuningState::holds(const std::string& name) const {
  std::error_code code;
  return !folder_.empty() && fs::exists(folder_ + "/" + name, code);
}

std::string TuningState::checkpoint(std::size_t part) const {
  return folder_.empty() ? "" : fmt::format("{}/checkpoint-{}", folder_, part);
}

void TuningState::remove() const {
  std::error_code code;
  if (!folder_.empty()) fs::remove_all(folder_, code);
}

}  // namespace smidgen
