#include "smidgen/learn/moved_encoder.h"

#include <filesystem>
#include <system_error>
#include <utility>

namespace smidgen {

void TemporaryFolder::remove() const {
  std::error_code code;
  std::filesystem::remove_all(path_, code);
}

Status write_moved(const Encoder& encoder, TrainableEncoder& moved, const std::string& folder) {
  std::error_code code;
  std::filesystem::create_directories(folder, code);
  if (code) return Error(ErrorKind::kCannotCreate, "cannot create folder: " + code.message()).in(folder);
  SMIDGEN_TRY(encoder.save_for_other_weights(folder));
  return moved.save_weights(folder + "/" + moved.config().body_prefix + "model.safetensors");
}

Result<std::shared_ptr<const Encoder>> load_moved(const Encoder& encoder, const std::string& folder,
                                                  Precision precision) {
  EncoderOptions options;
  options.tokens_max = encoder.tokens_max();
  options.kernels = &encoder.kernels();
  options.precision = precision;
  SMIDGEN_ASSIGN(Encoder loaded, Encoder::load(folder, options));
  return std::make_shared<const Encoder>(std::move(loaded));
}

Result<std::vector<float>> score_as_run(const Encoder& encoder, const SoftmaxHead& head,
                                        std::span<const std::vector<std::int32_t>> ids, ThreadPool& pool,
                                        const Watcher& watcher) {
  const std::vector<std::span<const std::int32_t>> sequences(ids.begin(), ids.end());
  std::vector<float> embeddings(ids.size() * encoder.dimensions()), scores(ids.size() * head.labels);
  SMIDGEN_TRY(encoder.embed_all(sequences, pool, watcher, "moved encoder: scoring", embeddings.data()));
  for (std::size_t i = 0; i < ids.size(); ++i)
    head.log_probabilities(std::span(embeddings).subspan(i * encoder.dimensions(), encoder.dimensions()),
                           std::span(scores).subspan(i * head.labels, head.labels));
  return scores;
}

std::optional<Precision> slower_precision(const Encoder& encoder) {
  const Precision training = TrainableEncoder::fast_precision(encoder.kernels());
  if (encoder.precision() == Precision::kF32 || encoder.precision() == training) return std::nullopt;
  return training;
}

}  // namespace smidgen
