#include "smidgen/learn/distill.h"

#include <algorithm>
#include <cstring>
#include <filesystem>

#include "smidgen/base/sha256.h"
#include "smidgen/learn/principal_axes.h"
#include "smidgen/model/special_tokens.h"
#include "smidgen/tensor/safetensors.h"

namespace smidgen {

namespace {

bool meaningful(const Tokenizer& tokenizer, std::int32_t id) {
  const std::string_view token = tokenizer.token(id);
  return !token.empty() && !tokenizer.is_special(id) && id != tokenizer.unknown_id() && !token.starts_with("[unused");
}

std::vector<std::int32_t> meaningful_tokens(const Tokenizer& tokenizer) {
  std::vector<std::int32_t> ids;
  for (std::int32_t id = 0; static_cast<std::size_t>(id) < tokenizer.vocabulary_size(); ++id) {
    if (meaningful(tokenizer, id)) ids.push_back(id);
  }
  return ids;
}

// Steps 1 and 2: (vocabulary, dimensions) in int8, without weights.
Result<StaticTable> distill_vectors(const Encoder& encoder, std::size_t dimensions, ThreadPool& pool,
                                    const Watcher& watcher) {
  const Tokenizer& tokenizer = encoder.tokenizer();
  const std::vector<std::int32_t> tokens = meaningful_tokens(tokenizer);
  if (tokens.empty()) return Error::bad_data("the tokenizer has no token but special ones").in(encoder.folder());
  const SpecialTokens specials(tokenizer);
  std::vector<std::int32_t> ids;
  std::vector<std::size_t> begins = {0};
  for (const std::int32_t token : tokens) {
    if (specials.known()) {
      specials.wrap({token}, std::max<std::size_t>(encoder.tokens_max(), 3), ids);
    } else {
      ids.push_back(token);
    }
    begins.push_back(ids.size());
  }
  std::vector<std::span<const std::int32_t>> sequences;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    sequences.emplace_back(ids.data() + begins[i], begins[i + 1] - begins[i]);
  }
  std::vector<float> raw(tokens.size() * encoder.dimensions());
  SMIDGEN_TRY(encoder.embed_all(sequences, pool, watcher, "static: distilling", raw.data()));
  SMIDGEN_ASSIGN(const PrincipalAxes axes, principal_axes(raw, encoder.dimensions(), pool));
  const std::vector<float> projected = project(raw, axes, dimensions, pool);
  std::vector<float> full(tokenizer.vocabulary_size() * dimensions);
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    std::copy_n(&projected[i * dimensions], dimensions, &full[static_cast<std::size_t>(tokens[i]) * dimensions]);
  }
  return StaticTable::quantize(full, dimensions);
}

// Step 3.
void weigh(StaticTable& table, const std::vector<std::int32_t>& tokens, double sif) {
  double sum = 0;
  for (std::size_t rank = 2; rank < tokens.size() + 2; ++rank) sum += 1 / static_cast<double>(rank);
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const double p = 1 / (static_cast<double>(i + 2) * sum);
    table.scales[static_cast<std::size_t>(tokens[i])] *= static_cast<float>(sif / (sif + p));
  }
}

Result<StaticTable> read_cache(const std::string& path, std::size_t vocabulary, std::size_t dimensions) {
  SMIDGEN_ASSIGN(const Safetensors file, Safetensors::open(path));
  StaticTable table;
  table.vocabulary = vocabulary;
  table.dimensions = dimensions;
  const std::size_t shape[] = {vocabulary, dimensions};
  SMIDGEN_ASSIGN(const TensorView view, file.get("embeddings", DType::kI8, shape));
  SMIDGEN_ASSIGN(table.scales, file.floats("weights", {vocabulary}));
  table.vectors.resize(view.bytes.size());
  std::memcpy(table.vectors.data(), view.bytes.data(), view.bytes.size());
  return table;
}

Status write_cache(const std::string& path, const StaticTable& table) {
  std::error_code ignored;
  std::filesystem::create_directories(std::filesystem::path(path).parent_path(), ignored);
  return write_safetensors(
      path, {{"embeddings", DType::kI8, {table.vocabulary, table.dimensions}, as_bytes(std::span(table.vectors))},
             {"weights", DType::kF32, {table.vocabulary}, as_bytes(std::span(table.scales))}});
}

// Everything that decides steps 1 and 2, as a file name.
Result<std::string> cache_path(const Encoder& encoder, const DistillOptions& options) {
  constexpr const char* kVersion = "distill-1";
  SMIDGEN_ASSIGN(const std::string weights, sha256_file(encoder.config().body_folder + "/model.safetensors"));
  const std::string key = std::string(kVersion) + " " + weights + " " + encoder.tokenizer().fingerprint() + " " +
                          std::string(to_string(encoder.config().pooling)) + " " +
                          std::to_string(encoder.config().normalize) + " " + std::to_string(options.dimensions) + " " +
                          encoder.kernels().name;
  return options.cache_folder + "/" + sha256_hex(key) + ".safetensors";
}

}  // namespace

Result<StaticTable> distill(const Encoder& encoder, const DistillOptions& options, ThreadPool& pool,
                            const Watcher& watcher) {
  const Tokenizer& tokenizer = encoder.tokenizer();
  DistillOptions fitted = options;
  fitted.dimensions = std::min(options.dimensions, encoder.dimensions());
  SMIDGEN_CHECK(fitted.dimensions >= 1 && fitted.sif > 0);
  std::string path;
  Result<StaticTable> table = Error::no_input("no cache");
  if (!options.cache_folder.empty()) {
    SMIDGEN_ASSIGN(path, cache_path(encoder, fitted));
    table = read_cache(path, tokenizer.vocabulary_size(), fitted.dimensions);
  }
  if (!table.ok()) {
    table = distill_vectors(encoder, fitted.dimensions, pool, watcher);
    if (!table.ok()) return std::move(table).error();
    if (!path.empty()) SMIDGEN_TRY(write_cache(path, *table));
  }
  weigh(*table, meaningful_tokens(tokenizer), fitted.sif);
  return table;
}

Result<EmbeddingMatrix> embed_all(const StaticModel& model, std::span<const std::string_view> texts, ThreadPool& pool,
                                  const Watcher& watcher) {
  constexpr std::size_t kTextsPerItem = 256;
  EmbeddingMatrix out;
  out.rows = texts.size();
  out.dimensions = model.table().dimensions;
  out.values.resize(out.rows * out.dimensions);
  if (watcher.stop_requested()) return Error::cancelled();
  pool.parallel_for((texts.size() + kTextsPerItem - 1) / kTextsPerItem, [&](std::size_t item, std::size_t) {
    std::vector<std::int32_t> ids;
    for (std::size_t i = item * kTextsPerItem; i < std::min(texts.size(), (item + 1) * kTextsPerItem); ++i) {
      ids.clear();
      model.tokenizer().encode_plain(texts[i], ids);
      model.table().embed(ids, std::span(out.values).subspan(i * out.dimensions, out.dimensions));
    }
  });
  return out;
}

}  // namespace smidgen
