#include "smidgen/model/encoder.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <filesystem>
#include <mutex>

#include "smidgen/base/file.h"
#include "smidgen/base/out_of_memory.h"
#include "smidgen/model/checkpoint.h"

namespace smidgen {

namespace {

constexpr std::size_t kTokensPerItem = 512;  // enough to hide handing out the work

}  // namespace

Result<Encoder> Encoder::load_body(const std::string& folder, const EncoderOptions& options) try {
  SMIDGEN_ASSIGN(EncoderConfig config, EncoderConfig::load(folder));
  SMIDGEN_ASSIGN(const Safetensors weights, open_checkpoint(config.body_folder));
  const Kernels& table = options.kernels == nullptr ? smidgen::kernels() : *options.kernels;
  std::optional<Smoothing> smoothing;
  if (options.precision == Precision::kInt8) {
    SMIDGEN_ASSIGN(smoothing, Smoothing::load(config.body_folder, config.body.layers, config.body.hidden));
  }
  SMIDGEN_ASSIGN(EncoderBody body,
                 EncoderBody::load(config.body, weights, table, options.precision, std::move(smoothing)));
  const std::size_t tokens_max = options.tokens_max == 0 ? config.tokens_max : options.tokens_max;
  if (tokens_max < 2 || tokens_max > config.body.positions)
    return Error::usage("tokens_max is " + std::to_string(tokens_max) + ", this encoder can read 2.." +
                        std::to_string(config.body.positions) + " tokens")
        .in(folder);
  config.normalize = config.normalize || options.normalize;
  config.files.push_back(config.body_prefix + "model.safetensors");
  Encoder encoder(folder, std::move(config), std::move(body));
  encoder.tokens_max_ = tokens_max;
  return encoder;
} catch (const std::bad_alloc&) {
  return out_of_memory();
}

const Tokenizer& Encoder::tokenizer() const {
  SMIDGEN_CHECK(tokenizer_ != nullptr);
  return *tokenizer_;
}

std::size_t Encoder::end_of_pass(std::span<const std::size_t> lengths, std::size_t first) const {
  const std::size_t most = kernels().encoder->tokens_per_pass;
  std::size_t end = first, tokens = 0;
  while (end < lengths.size() && (end == first || tokens + lengths[end] <= most)) tokens += lengths[end++];
  return end;
}

void Encoder::embed(std::span<const std::span<const std::int32_t>> sequences, Scratch& scratch, float* out) const {
  scratch.lengths_.clear();
  for (const auto& sequence : sequences) scratch.lengths_.push_back(sequence.size());
  const std::span<const std::size_t> lengths = scratch.lengths_;
  for (std::size_t first = 0; first < lengths.size();) {
    const std::size_t end = end_of_pass(lengths, first);
    scratch.ids_.clear();
    for (std::size_t i = first; i < end; ++i)
      scratch.ids_.insert(scratch.ids_.end(), sequences[i].begin(), sequences[i].end());
    body_.forward({scratch.ids_, {}, lengths.subspan(first, end - first)}, scratch.body_);
    const float* tokens = scratch.body_.output().f32();
    for (; first < end; ++first) {
      pool(tokens, lengths[first], out + first * dimensions());
      tokens += lengths[first] * dimensions();
    }
  }
}

void Encoder::pool(const float* tokens, std::size_t count, float* out) const {
  const std::size_t n = dimensions();
  std::fill(out, out + n, 0.0F);
  if (count == 0) return;
  if (config_.pooling == Pooling::kMean) {
    kernels().mean_rows(tokens, count, n, out);
  } else {
    std::copy(tokens, tokens + n, out);
    for (std::size_t row = 1; config_.pooling == Pooling::kMax && row < count; ++row)
      for (std::size_t i = 0; i < n; ++i) out[i] = std::max(out[i], tokens[row * n + i]);
  }
  if (!config_.normalize) return;
  const float norm = std::max(std::sqrt(kernels().dot(out, out, n)), 1e-12F);  // the bound torch uses
  for (std::size_t i = 0; i < n; ++i) out[i] /= norm;
}

bool Encoder::embed_text(std::string_view text, Scratch& scratch, float* out) const {
  scratch.text_ids_.clear();
  const bool cut = tokenizer().encode(text, tokens_max_, scratch.text_ids_);
  const std::span<const std::int32_t> sequence = scratch.text_ids_;
  embed({&sequence, 1}, scratch, out);
  return cut;
}

Status Encoder::embed_all(std::span<const std::span<const std::int32_t>> sequences, ThreadPool& pool,
                          const Watcher& watcher, std::string_view stage, float* out) const {
  std::vector<std::size_t> begins = {0};  // of the pieces handed to the threads
  std::size_t tokens = 0;
  for (std::size_t i = 0; i < sequences.size(); ++i) {
    tokens += sequences[i].size();
    if (tokens < kTokensPerItem && i + 1 < sequences.size()) continue;
    begins.push_back(i + 1);
    tokens = 0;
  }
  std::vector<Scratch> scratch(pool.threads());
  std::atomic<bool> stopped = false;
  std::mutex watching;
  std::size_t done = 0;
  pool.parallel_for(begins.size() - 1, [&](std::size_t item, std::size_t worker) {
    if (stopped) return;
    const std::size_t first = begins[item], count = begins[item + 1] - first;
    embed(sequences.subspan(first, count), scratch[worker], out + first * dimensions());
    const std::lock_guard lock(watching);
    done += count;
    watcher.report(stage, static_cast<double>(done) / static_cast<double>(sequences.size()));
    if (watcher.stop_requested()) stopped = true;
  });
  if (stopped) return Error::cancelled();
  return Ok{};
}

Status Encoder::save_for_other_weights(const std::string& folder) const {
  for (const std::string& name : config_.files) {
    const std::filesystem::path target = std::filesystem::path(folder) / name;
    std::error_code failed;
    std::filesystem::create_directories(target.parent_path(), failed);
    if (!failed)
      std::filesystem::copy_file(std::filesystem::path(folder_) / name, target,
                                 std::filesystem::copy_options::overwrite_existing, failed);
    if (failed)
      return Error::io("cannot copy " + name + " from " + folder_ + ": " + failed.message()).in(target.string());
  }
  return Ok{};
}

Status Encoder::save(const std::string& folder) const {
  SMIDGEN_TRY(save_for_other_weights(folder));
  if (precision() != Precision::kInt8) return Ok{};
  return body_.smoothing().save((std::filesystem::path(folder) / config_.body_prefix).string());
}

}  // namespace smidgen
