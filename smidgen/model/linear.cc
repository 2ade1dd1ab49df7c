#include "smidgen/model/linear.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>

#include "smidgen/base/file.h"
#include "smidgen/base/json.h"
#include "smidgen/base/probe_run.h"
#include "smidgen/tensor/linear_kernels.h"
#include "smidgen/tensor/safetensors.h"

namespace smidgen {
namespace {

constexpr std::uint32_t kEmptySlot = ~0U;
// A row number shares 32 bits with the idf code; the largest is the empty slot's.
constexpr std::uint32_t kNoRowShort = (1U << 24) - 2, kRowsMax = kNoRowShort;
constexpr float kLogProbabilityMin = -50.0F;

// 1 + log count.
struct SublinearTable {
  float value[256] = {};
  SublinearTable() {
    for (int i = 1; i < 256; ++i) value[i] = 1.0F + std::log(static_cast<float>(i));
  }
};
const SublinearTable kSublinear;

Status check_numbers(const std::vector<float>& numbers, const char* name, float limit) {
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    if (!(std::fabs(numbers[i]) <= limit)) {
      return Error::bad_data(fmt::format("linear model: `{}` holds {} at {}", name, numbers[i], i))
          .hint("the file is damaged: train or fetch the model again");
    }
  }
  return Ok{};
}

// Little-endian bytes, which may lie anywhere, as numbers.
template <class T>
std::vector<T> numbers_of(const TensorView& tensor) {
  std::vector<T> out(tensor.bytes.size() / sizeof(T));
  std::memcpy(out.data(), tensor.bytes.data(), out.size() * sizeof(T));
  return out;
}

template <class T>
std::string_view bytes_of(const std::vector<T>& numbers) {
  return {reinterpret_cast<const char*>(numbers.data()), numbers.size() * sizeof(T)};
}

Result<NgramBlock> block_named(std::string_view name) {
  for (const NgramBlock block : {NgramBlock::kWords, NgramBlock::kTokens, NgramBlock::kCharacters}) {
    if (name == to_string(block)) return block;
  }
  return Error::bad_data(fmt::format("linear model: unknown feature block \"{}\"", name.substr(0, 64)))
      .hint("a newer version of smidgen may read it");
}

// What config.json says beside the tensors; fills labels, blocks, code_points_max, idf_max.
Result<LinearParts> read_config(const std::string& path) {
  SMIDGEN_ASSIGN(const JsonDocument document, JsonDocument::load(path, 1 << 20));
  const auto root = document.root();
  SMIDGEN_ASSIGN(const std::int64_t format, json_integer(root, "format", 1, LinearParts::kFormat));
  SMIDGEN_ASSIGN(const std::string kind, json_string(root, "kind"));
  if (kind != "linear") return Error::bad_data("`kind` is not \"linear\"");
  LinearParts parts;
  SMIDGEN_ASSIGN(const std::int64_t labels, json_integer(root, "labels", 2, 1 << 20));
  SMIDGEN_ASSIGN(const std::int64_t points, json_integer(root, "code_points_max", 1, 1 << 24));
  SMIDGEN_ASSIGN(const double idf_max, json_number(root, "idf_max", 1, 100));
  parts.format = static_cast<int>(format);
  parts.labels = static_cast<std::size_t>(labels);
  parts.code_points_max = static_cast<std::size_t>(points);
  parts.idf_max = static_cast<float>(idf_max);
  simdjson::dom::array blocks;
  if (root["blocks"].get(blocks) != simdjson::SUCCESS) return Error::bad_data("`blocks` must be a list of names");
  if (blocks.size() == 0 || blocks.size() > kNgramBlocks) return Error::bad_data("`blocks` must hold 1 to 3 names");
  for (const simdjson::dom::element element : blocks) {
    std::string_view name;
    if (element.get(name) != simdjson::SUCCESS) return Error::bad_data("`blocks` must be a list of names");
    SMIDGEN_ASSIGN(const NgramBlock block, block_named(name));
    parts.blocks.push_back(block);
  }
  return parts;
}

Status read_tensors(const Safetensors& file, LinearParts& parts) {
  const TensorView* hash = file.find("feature_hash");
  const TensorView* scales = file.find("scales");
  if (!hash || !scales) {
    return Error::bad_data("linear model: a tensor is missing")
        .hint("feature_hash, feature_row, feature_idf, weights, scales and bias are needed");
  }
  const std::size_t features[] = {hash->count()}, rows[] = {scales->count()};
  const std::size_t matrix[] = {rows[0], parts.outputs()}, outputs[] = {parts.outputs()};
  SMIDGEN_ASSIGN(const TensorView hashes, file.get("feature_hash", DType::kU64, features));
  SMIDGEN_ASSIGN(const TensorView row, file.get("feature_row", DType::kU32, features));
  SMIDGEN_ASSIGN(const TensorView idf, file.get("feature_idf", DType::kU8, features));
  SMIDGEN_ASSIGN(const TensorView weights, file.get("weights", DType::kI8, matrix));
  parts.feature_hash = numbers_of<std::uint64_t>(hashes);
  parts.feature_row = numbers_of<std::uint32_t>(row);
  parts.feature_idf = numbers_of<std::uint8_t>(idf);
  parts.weights = numbers_of<std::int8_t>(weights);
  SMIDGEN_ASSIGN(parts.scales, file.floats("scales", rows));
  SMIDGEN_ASSIGN(parts.bias, file.floats("bias", outputs));
  return Ok{};
}

}  // namespace

Status LinearParts::validate() const {
  const auto bad = [](std::string what) {
    return Error::bad_data("linear model: " + std::move(what))
        .hint("the file is damaged: train or fetch the model again");
  };
  const std::size_t rows = scales.size(), features = feature_hash.size();
  if (format < 1 || format > kFormat) return bad(fmt::format("format {}", format));
  if (labels < 2 || labels > (1U << 20)) return bad(fmt::format("{} labels", labels));
  if (blocks.empty() || blocks.size() > kNgramBlocks) return bad(fmt::format("{} feature blocks", blocks.size()));
  if (code_points_max < 1 || code_points_max > (1U << 24)) return bad("`code_points_max` out of range");
  if (!(idf_max >= 1 && idf_max <= 100)) return bad("`idf_max` must be in 1..100");
  if (rows > kRowsMax) return bad(fmt::format("{} rows of weights, more than {}", rows, kRowsMax));
  if (weights.size() != rows * outputs())
    return bad(fmt::format("{} weights for {} rows of {}", weights.size(), rows, outputs()));
  if (bias.size() != outputs()) return bad(fmt::format("{} numbers in `bias`, not {}", bias.size(), outputs()));
  if (feature_row.size() != features || feature_idf.size() != features) return bad("feature tensors differ in length");
  if (features > (1U << 30)) return bad(fmt::format("{} features", features));
  for (std::size_t f = 0; f < features; ++f) {
    if (f > 0 && feature_hash[f] <= feature_hash[f - 1])
      return bad(fmt::format("`feature_hash` does not rise at {}", f));
    if (feature_row[f] != kNoRow && feature_row[f] >= rows)
      return bad(fmt::format("feature {} names row {} of {}", f, feature_row[f], rows));
  }
  SMIDGEN_TRY(check_numbers(scales, "scales", 1e6F));
  return check_numbers(bias, "bias", 1e6F);
}

class LinearRung::LinearScratch : public Rung::Scratch {
 public:
  NgramText text;
  std::vector<std::uint64_t> hashes;
  std::vector<std::uint8_t> counts;    // (slots), zero between rows
  std::vector<std::uint32_t> found;    // slots of the block's n-grams, distinct
  std::vector<std::uint32_t> indices;  // rows of weights
  std::vector<float> values, scores;
};

Result<std::unique_ptr<LinearRung>> LinearRung::create(LinearParts parts) {
  SMIDGEN_TRY(parts.validate());
  std::unique_ptr<LinearRung> rung(new LinearRung);
  rung->parts_ = std::move(parts);
  const LinearParts& p = rung->parts_;
  const std::size_t outputs = p.outputs(), rows = p.scales.size();
  rung->lanes_ = linear_lanes(p.labels);
  rung->padded_.assign(rows * rung->lanes_, 0);
  for (std::size_t r = 0; r < rows; ++r) {
    std::memcpy(rung->padded_.data() + r * rung->lanes_, p.weights.data() + r * outputs, outputs);
  }
  rung->padded_bias_.assign(rung->lanes_, kLinearPaddingBias);
  std::copy(p.bias.begin(), p.bias.end(), rung->padded_bias_.begin());
  for (int code = 0; code < 256; ++code) {
    rung->idf_of_code_[code] = 1.0F + static_cast<float>(code) / 255.0F * (p.idf_max - 1.0F);
  }
  SMIDGEN_TRY(rung->build_table());
  return rung;
}

// At most half full. Two n-grams with the same fingerprint in one probe run (once in 10^5 models) would be mistaken for
// each other: the one with the larger hash is left out.
Status LinearRung::build_table() {
  const auto crowded = [] {
    return Error::bad_data("linear model: `feature_hash` crowds one place of the table")
        .hint("the file is damaged: train or fetch the model again");
  };
  std::size_t size = 64;
  while (size < parts_.feature_hash.size() * 2) size *= 2;
  slots_.assign(size, {0, kEmptySlot});
  for (std::size_t f = 0; f < parts_.feature_hash.size(); ++f) {
    const std::uint64_t hash = parts_.feature_hash[f];
    const bool pruned = parts_.feature_row[f] == LinearParts::kNoRow;
    if (parts_.format == 1 && pruned && parts_.feature_idf[f] == 255)
      continue;  // where it had the empty slot's payload
    const std::uint32_t row = pruned ? kNoRowShort : parts_.feature_row[f];
    const Slot slot = {static_cast<std::uint32_t>(hash >> 32), row << 8 | parts_.feature_idf[f]};
    std::size_t at = hash & (size - 1), probes = 0;
    for (; slots_[at].payload != kEmptySlot && slots_[at].fingerprint != slot.fingerprint; at = (at + 1) & (size - 1))
      if (++probes > kProbeRunMax) return crowded();
    if (slots_[at].payload == kEmptySlot) slots_[at] = slot;
  }
  if (!probe_runs_are_short(size, [&](std::size_t at) { return slots_[at].payload != kEmptySlot; })) return crowded();
  return Ok{};
}

std::unique_ptr<Rung::Scratch> LinearRung::make_scratch() const {
  auto scratch = std::make_unique<LinearScratch>();
  scratch->counts.assign(slots_.size(), 0);
  scratch->scores.resize(lanes_);
  return scratch;
}

// Looks up the block's n-grams and appends rows and values to the scratch.
void LinearRung::find_block(NgramBlock block, LinearScratch& scratch) const {
  constexpr std::size_t kAhead = 12;  // n-grams between the prefetch of a slot and its use
  scratch.hashes.clear();
  scratch.found.clear();
  scratch.text.append(block, scratch.hashes);
  const std::size_t mask = slots_.size() - 1, n = scratch.hashes.size();
  const Slot* slots = slots_.data();
  std::uint8_t* counts = scratch.counts.data();
  for (std::size_t i = 0; i < std::min(n, kAhead); ++i) __builtin_prefetch(slots + (scratch.hashes[i] & mask));
  for (std::size_t i = 0; i < n; ++i) {
    if (i + kAhead < n) {
      __builtin_prefetch(slots + (scratch.hashes[i + kAhead] & mask));
      __builtin_prefetch(counts + (scratch.hashes[i + kAhead] & mask));
    }
    const auto fingerprint = static_cast<std::uint32_t>(scratch.hashes[i] >> 32);
    std::size_t at = scratch.hashes[i] & mask;
    while (slots[at].payload != kEmptySlot && slots[at].fingerprint != fingerprint) at = (at + 1) & mask;
    if (slots[at].payload == kEmptySlot) continue;
    if (counts[at] == 0) scratch.found.push_back(static_cast<std::uint32_t>(at));
    if (counts[at] < 255) ++counts[at];
  }
  float square = 0;
  const std::size_t first = scratch.values.size();
  for (const std::uint32_t at : scratch.found) {
    const std::uint32_t payload = slots[at].payload, row = payload >> 8;
    const float value = kSublinear.value[counts[at]] * idf_of_code_[payload & 255];
    counts[at] = 0;
    square += value * value;
    if (row == kNoRowShort) continue;
    __builtin_prefetch(padded_.data() + std::size_t{row} * lanes_);
    if (lanes_ > 64) __builtin_prefetch(padded_.data() + std::size_t{row} * lanes_ + 64);
    scratch.indices.push_back(row);
    scratch.values.push_back(value * parts_.scales[row]);
  }
  const float scale = square > 0 ? 1.0F / std::sqrt(square) : 0.0F;
  for (std::size_t i = first; i < scratch.values.size(); ++i) scratch.values[i] *= scale;
}

void LinearRung::finish_row(LinearScratch& scratch, std::span<float> out) const {
  std::copy(padded_bias_.begin(), padded_bias_.end(), scratch.scores.begin());
  linear_kernels().int8_scores(scratch.indices.data(), scratch.values.data(), scratch.indices.size(), padded_.data(),
                               lanes_, scratch.scores.data());
  const float* scores = scratch.scores.data();
  if (lanes_ == 1) {
    const float z = scores[0], softplus = std::log1p(std::exp(-std::fabs(z)));  // log(1 + e^-|z|)
    out[0] = std::max(kLogProbabilityMin, -std::max(z, 0.0F) - softplus);
    out[1] = std::max(kLogProbabilityMin, std::min(z, 0.0F) - softplus);
    return;
  }
  const float max = *std::max_element(scores, scores + parts_.labels);
  float sum = 0;
  for (std::size_t k = 0; k < parts_.labels; ++k) sum += std::exp(scores[k] - max);
  const float log_sum = max + std::log(sum);
  for (std::size_t k = 0; k < parts_.labels; ++k) out[k] = std::max(kLogProbabilityMin, scores[k] - log_sum);
}

void LinearRung::score_text(std::string_view text, Rung::Scratch& scratch, std::span<float> log_probabilities) const {
  SMIDGEN_CHECK(log_probabilities.size() == parts_.labels);
  auto& own = static_cast<LinearScratch&>(scratch);
  if (own.text.prepare(text, parts_.code_points_max)) ++own.rows_cut;
  own.indices.clear();
  own.values.clear();
  for (const NgramBlock block : parts_.blocks) find_block(block, own);
  finish_row(own, log_probabilities);
}

void LinearRung::score(TextBatch& batch, std::span<const std::uint32_t> rows, Rung::Scratch& scratch,
                       std::span<float> log_probabilities) const {
  SMIDGEN_CHECK(log_probabilities.size() == rows.size() * parts_.labels);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    score_text(batch.text(rows[i]), scratch, log_probabilities.subspan(i * parts_.labels, parts_.labels));
  }
}

Status LinearRung::save(const std::string& folder) const {
  nlohmann::ordered_json config;
  config["format"] = parts_.format;
  config["kind"] = "linear";
  config["labels"] = parts_.labels;
  for (const NgramBlock block : parts_.blocks) config["blocks"].push_back(to_string(block));
  config["code_points_max"] = parts_.code_points_max;
  config["idf_max"] = parts_.idf_max;
  SMIDGEN_TRY(write_file_atomic(folder + "/config.json", config.dump(1) + "\n"));
  const std::size_t features = parts_.feature_hash.size(), rows = parts_.scales.size(), outputs = parts_.outputs();
  return write_safetensors(folder + "/model.safetensors",
                           {{"feature_hash", DType::kU64, {features}, bytes_of(parts_.feature_hash)},
                            {"feature_row", DType::kU32, {features}, bytes_of(parts_.feature_row)},
                            {"feature_idf", DType::kU8, {features}, bytes_of(parts_.feature_idf)},
                            {"weights", DType::kI8, {rows, outputs}, bytes_of(parts_.weights)},
                            {"scales", DType::kF32, {rows}, bytes_of(parts_.scales)},
                            {"bias", DType::kF32, {outputs}, bytes_of(parts_.bias)}});
}

Result<std::unique_ptr<LinearRung>> LinearRung::load(const std::string& folder, std::size_t labels) {
  const std::string config_path = folder + "/config.json", weights_path = folder + "/model.safetensors";
  auto parts = read_config(config_path);
  if (!parts.ok()) return std::move(parts).error().in(config_path);
  if (parts->labels != labels) {
    return Error::bad_data(fmt::format("{} labels, but the bundle has {}", parts->labels, labels)).in(config_path);
  }
  SMIDGEN_ASSIGN(const Safetensors file, Safetensors::open(weights_path));
  Status read = read_tensors(file, *parts);
  if (!read.ok()) return std::move(read).error().in(weights_path);
  auto rung = create(std::move(*parts));
  if (!rung.ok()) return std::move(rung).error().in(weights_path);
  return rung;
}

}  // namespace smidgen
