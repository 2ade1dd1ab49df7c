#include "smidgen/learn/embeddings.h"

#include <algorithm>
#include <numeric>

namespace smidgen {

Result<EmbeddingMatrix> embed_all(const Encoder& encoder, std::span<const std::string_view> texts, ThreadPool& pool,
                                  const Watcher& watcher) {
  std::vector<std::vector<std::int32_t>> ids(texts.size());
  std::vector<std::uint8_t> cut(texts.size());
  pool.parallel_for(texts.size(), [&](std::size_t i, std::size_t) {
    cut[i] = encoder.tokenizer().encode(texts[i], encoder.tokens_max(), ids[i]) ? 1 : 0;
  });
  std::vector<std::size_t> order(texts.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return ids[a].size() > ids[b].size(); });
  std::vector<std::span<const std::int32_t>> sequences;
  sequences.reserve(texts.size());
  for (const std::size_t i : order) sequences.emplace_back(ids[i]);

  EmbeddingMatrix out;
  out.rows = texts.size();
  out.dimensions = encoder.dimensions();
  out.rows_cut = std::accumulate(cut.begin(), cut.end(), std::uint64_t{0});
  std::vector<float> sorted(out.rows * out.dimensions);
  SMIDGEN_TRY(encoder.embed_all(sequences, pool, watcher, "encoder: embedding", sorted.data()));
  out.values.resize(sorted.size());
  for (std::size_t i = 0; i < order.size(); ++i) {
    std::copy_n(&sorted[i * out.dimensions], out.dimensions, &out.values[order[i] * out.dimensions]);
  }
  return out;
}

}  // namespace smidgen
