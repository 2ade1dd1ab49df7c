// Encoder: token ids in, one vector per sequence out. An encoder body with pooling, from a Hugging Face or
// sentence-transformers folder.
//
//   SMIDGEN_ASSIGN(Encoder encoder, Encoder::load("all-MiniLM-L6-v2"));
//   Encoder::Scratch scratch;
//   std::vector<float> vector(encoder.dimensions());
//   encoder.embed_text("how do I get my money back?", scratch, vector.data());
//
// Thread contract: an Encoder is immutable and may be shared; a Scratch belongs to one thread at a time.
// A sequence's vector is the same to the bit whatever other sequences stand in the batch.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "smidgen/base/progress.h"
#include "smidgen/base/result.h"
#include "smidgen/base/thread_pool.h"
#include "smidgen/model/encoder_body.h"
#include "smidgen/model/encoder_config.h"
#include "smidgen/text/tokenizer.h"

namespace smidgen {

struct EncoderOptions {
  std::size_t tokens_max = 0;        // special tokens included; 0: the folder's value
  const Kernels* kernels = nullptr;  // null: kernels()
  Precision precision = Precision::kF32;
  bool normalize = false;  // vectors of length 1 even when the folder does not say so
};

class Encoder {
 public:
  class Scratch {
   public:
    // Idle cores that may take part in a pass; null: none. The numbers stay the same, to the bit.
    void use(Crew* crew) { body_.use(crew); }

   private:
    friend class Encoder;
    EncoderBody::Scratch body_;
    std::vector<std::int32_t> ids_, text_ids_;
    std::vector<std::size_t> lengths_;
  };

  // Reads config.json, the tokenizer, model.safetensors, modules.json and what it names. The folder is untrusted;
  // pickles are never read.
  static Result<Encoder> load(const std::string& folder, const EncoderOptions& options = {});
  // The same without its tokenizer, for callers that bring ids: tokenizer() and embed_text() may not be called.
  static Result<Encoder> load_body(const std::string& folder, const EncoderOptions& options = {});

  std::size_t dimensions() const { return body_.config().hidden; }
  std::size_t tokens_max() const { return tokens_max_; }
  std::size_t vocabulary_size() const { return body_.config().vocabulary; }
  const EncoderConfig& config() const { return config_; }
  const Kernels& kernels() const { return body_.kernels(); }
  Precision precision() const { return body_.precision(); }
  const Tokenizer& tokenizer() const;
  const std::string& folder() const { return folder_; }

  // out: (sequences, dimensions()). Each sequence has its special tokens, 1..tokens_max() ids, all in
  // [0, vocabulary_size()); an empty one gives zeros.
  void embed(std::span<const std::span<const std::int32_t>> sequences, Scratch& scratch, float* out) const;
  // Sequences on their way up the layers: one that leaves at an inner layer has cost only those below it, and one that
  // goes on does not compute them again. Belongs to one thread at a time.
  //
  //   encoder.start(sequences, climb);
  //   encoder.climb(2, scratch, climb, vectors);       // of all sequences, read after layer 2
  //   Encoder::keep({0, 3}, climb);                    // the others have an answer
  //   encoder.climb(6, scratch, climb, vectors);       // of sequences 0 and 3; the vectors of embed(), to the bit
  class Climb {
   public:
    std::size_t size() const { return lengths_.size(); }  // sequences that still climb
    std::size_t layers() const { return layers_; }        // that have run

   private:
    friend class Encoder;
    std::vector<std::int32_t> ids_;
    std::vector<std::size_t> lengths_;
    std::vector<float> rows_;  // (tokens, hidden) after layers_ layers; empty when none has run
    std::size_t layers_ = 0;
  };
  void start(std::span<const std::span<const std::int32_t>> sequences, Climb& climb) const;
  // Runs layers up to `layers` (more than climb.layers(), at most config().body.layers). out: (climb.size(),
  // dimensions()), pooled as the folder says from what stands there.
  void climb(std::size_t layers, Scratch& scratch, Climb& climb, float* out) const;
  // which: rising places among the climb's sequences.
  void keep(std::span<const std::uint32_t> which, Climb& climb) const;

  // One text; true when it was cut to tokens_max().
  bool embed_text(std::string_view text, Scratch& scratch, float* out) const;
  // Many sequences over a pool, a piece at a time; the same numbers for any number of threads. Fails only with
  // Error::cancelled().
  Status embed_all(std::span<const std::span<const std::int32_t>> sequences, ThreadPool& pool, const Watcher& watcher,
                   std::string_view stage, float* out) const;

  // Copies the files it was loaded from to `folder` (which exists), so that load(folder) gives the same encoder.
  Status save(const std::string& folder) const;
  // The same for other weights, which the caller writes: without what was measured of these (smoothing.h).
  Status save_for_other_weights(const std::string& folder) const;

 private:
  Encoder(std::string folder, EncoderConfig config, EncoderBody body)
      : folder_(std::move(folder)), config_(std::move(config)), body_(std::move(body)) {}
  // Sequences from `first` up to here go through the layers together: one, and more while their tokens fit a pass.
  std::size_t end_of_pass(std::span<const std::size_t> lengths, std::size_t first) const;
  void pool(const float* tokens, std::size_t count, float* out) const;

  std::string folder_;
  EncoderConfig config_;
  std::size_t tokens_max_ = 0;
  EncoderBody body_;
  std::unique_ptr<const Tokenizer> tokenizer_;
};

}  // namespace smidgen
