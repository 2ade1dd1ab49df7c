#include "smidgen/model/static.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <utility>

#include "smidgen/base/file.h"
#include "smidgen/base/json.h"
#include "smidgen/tensor/safetensors.h"
#include "smidgen/text/tokenizer_files.h"

namespace smidgen {

namespace {

constexpr std::size_t kLanes = 16;

// y += factor * x, in blocks of a constant length that compilers vectorize.
void add_scaled(const std::int8_t* x, float factor, float* y, std::size_t n) {
  std::size_t j = 0;
  for (; j + kLanes <= n; j += kLanes) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) y[j + lane] += factor * static_cast<float>(x[j + lane]);
  }
  for (; j < n; ++j) y[j] += factor * static_cast<float>(x[j]);
}

}  // namespace

StaticTable StaticTable::quantize(std::span<const float> vectors, std::size_t dimensions) {
  StaticTable table;
  table.dimensions = dimensions;
  table.vocabulary = vectors.size() / dimensions;
  table.vectors.resize(vectors.size());
  table.scales.resize(table.vocabulary);
  for (std::size_t id = 0; id < table.vocabulary; ++id) {
    const float* row = &vectors[id * dimensions];
    float largest = 0;
    for (std::size_t j = 0; j < dimensions; ++j) largest = std::max(largest, std::abs(row[j]));
    if (largest == 0) continue;
    table.scales[id] = largest / 127.0F;
    for (std::size_t j = 0; j < dimensions; ++j) {
      table.vectors[id * dimensions + j] = static_cast<std::int8_t>(std::lround(row[j] / largest * 127.0F));
    }
  }
  return table;
}

void StaticTable::embed(std::span<const std::int32_t> ids, std::span<float> out) const {
  SMIDGEN_CHECK(out.size() == dimensions);
  std::fill(out.begin(), out.end(), 0.0F);
  for (const std::int32_t id : ids) {
    const auto row = static_cast<std::size_t>(id);
    SMIDGEN_CHECK(id >= 0 && row < vocabulary);
    if (scales[row] == 0) continue;
    add_scaled(&vectors[row * dimensions], scales[row], out.data(), dimensions);
  }
  double square = 0;
  for (const float value : out) square += static_cast<double>(value) * static_cast<double>(value);
  if (!(square > 0) || !std::isfinite(square)) {
    std::fill(out.begin(), out.end(), 0.0F);
    return;
  }
  const auto factor = static_cast<float>(1 / std::sqrt(square));
  for (float& value : out) value *= factor;
}

Result<StaticModel> StaticModel::create(StaticTable table, const std::string& tokenizer_folder) {
  StaticModel model;
  SMIDGEN_ASSIGN(model.tokenizer_, Tokenizer::load(tokenizer_folder));
  if (model.tokenizer_->vocabulary_size() > table.vocabulary) {
    return Error::bad_data("the tokenizer has " + std::to_string(model.tokenizer_->vocabulary_size()) +
                           " tokens, the table only " + std::to_string(table.vocabulary) + " vectors")
        .in(tokenizer_folder)
        .hint("take tokenizer and vectors from the same model");
  }
  model.table_ = std::move(table);
  model.tokenizer_folder_ = tokenizer_folder;
  return model;
}

Result<StaticModel> StaticModel::load(const std::string& folder) {
  constexpr std::uint64_t kConfigBytesMax = 1 << 20;
  const std::string config_path = folder + "/config.json", weights_path = folder + "/model.safetensors";
  SMIDGEN_ASSIGN(const JsonDocument config, JsonDocument::load(config_path, kConfigBytesMax));
  auto dimensions = json_integer(config.root(), "hidden_dim", 1, kDimensionsMax);
  if (!dimensions.ok()) return std::move(dimensions).error().in(config_path);
  SMIDGEN_ASSIGN(const Safetensors file, Safetensors::open(weights_path));
  const TensorView* embeddings = file.find("embeddings");
  const std::size_t vocabulary = embeddings != nullptr && !embeddings->shape.empty() ? embeddings->shape[0] : 0;
  StaticTable table;
  table.vocabulary = vocabulary;
  table.dimensions = static_cast<std::size_t>(*dimensions);
  const std::size_t shape[] = {vocabulary, table.dimensions};
  SMIDGEN_ASSIGN(const TensorView view, file.get("embeddings", DType::kI8, shape));
  SMIDGEN_ASSIGN(table.scales, file.floats("weights", {vocabulary}));
  table.vectors.resize(view.bytes.size());
  if (!view.bytes.empty()) std::memcpy(table.vectors.data(), view.bytes.data(), view.bytes.size());
  return create(std::move(table), folder);
}

Status StaticModel::save(const std::string& folder) const {
  for (const char* name : kTokenizerFiles) {
    const std::filesystem::path from = std::filesystem::path(tokenizer_folder_) / name;
    std::error_code failed;
    if (!std::filesystem::is_regular_file(from, failed)) continue;
    std::filesystem::copy_file(from, std::filesystem::path(folder) / name,
                               std::filesystem::copy_options::overwrite_existing, failed);
    if (failed) return Error::io("cannot copy " + from.string() + ": " + failed.message()).in(folder);
  }
  const nlohmann::ordered_json config = {{"model_type", "model2vec"},
                                         {"architectures", {"StaticModel"}},
                                         {"hidden_dim", table_.dimensions},
                                         {"normalize", true},
                                         {"embedding_dtype", "int8"}};
  SMIDGEN_TRY(write_file_atomic(folder + "/config.json", config.dump(2) + "\n"));
  return write_safetensors(
      folder + "/model.safetensors",
      {{"embeddings", DType::kI8, {table_.vocabulary, table_.dimensions}, as_bytes(std::span(table_.vectors))},
       {"weights", DType::kF32, {table_.vocabulary}, as_bytes(std::span(table_.scales))}});
}

class StaticRung::StaticScratch : public Rung::Scratch {
 public:
  std::vector<float> vector;
};

StaticRung::StaticRung(std::shared_ptr<const StaticModel> model, SoftmaxHead head)
    : model_(std::move(model)), head_(std::move(head)) {}

Result<std::unique_ptr<StaticRung>> StaticRung::create(std::shared_ptr<const StaticModel> model, SoftmaxHead head) {
  if (head.dimensions != model->table().dimensions) {
    return Error::bad_data("the head takes " + std::to_string(head.dimensions) + " numbers, the table gives " +
                           std::to_string(model->table().dimensions));
  }
  return std::unique_ptr<StaticRung>(new StaticRung(std::move(model), std::move(head)));
}

Result<std::unique_ptr<StaticRung>> StaticRung::load(const std::string& folder, std::size_t labels) {
  SMIDGEN_ASSIGN(StaticModel model, StaticModel::load(folder));
  SMIDGEN_ASSIGN(SoftmaxHead head, SoftmaxHead::load(folder + "/head.safetensors", labels, model.table().dimensions));
  return create(std::make_shared<const StaticModel>(std::move(model)), std::move(head));
}

std::unique_ptr<Rung::Scratch> StaticRung::make_scratch() const {
  return std::make_unique<StaticScratch>();
}

void StaticRung::score(TextBatch& batch, std::span<const std::uint32_t> rows, Rung::Scratch& scratch,
                       std::span<float> log_probabilities) const {
  SMIDGEN_CHECK(log_probabilities.size() == rows.size() * labels());
  auto& own = static_cast<StaticScratch&>(scratch);
  own.vector.resize(head_.dimensions);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    model_->table().embed(batch.tokens(rows[i], model_->tokenizer()), own.vector);
    head_.log_probabilities(own.vector, log_probabilities.subspan(i * labels(), labels()));
  }
}

Status StaticRung::save(const std::string& folder) const {
  SMIDGEN_TRY(model_->save(folder));
  return head_.save(folder + "/head.safetensors");
}

}  // namespace smidgen
