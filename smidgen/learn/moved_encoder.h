// An encoder whose weights were moved, as a bundle will run it: written as a folder, loaded by the inference code in
// the precision that is certified. Its out-of-fold scores are taken so, for int8 may cost a moved encoder what it did
// not cost the frozen one.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "smidgen/base/progress.h"
#include "smidgen/base/result.h"
#include "smidgen/base/thread_pool.h"
#include "smidgen/learn/trainable_encoder.h"
#include "smidgen/model/encoder.h"
#include "smidgen/model/softmax_head.h"

namespace smidgen {

// Not there before, and gone when this is, whatever happened.
class TemporaryFolder {
 public:
  explicit TemporaryFolder(std::string path) : path_(std::move(path)) { remove(); }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() { remove(); }
  const std::string& path() const { return path_; }

 private:
  void remove() const;
  std::string path_;
};

// Writes the files of `encoder` with the weights of `moved` into `folder`, which is made. Errors: a folder or file that
// cannot be written.
Status write_moved(const Encoder& encoder, TrainableEncoder& moved, const std::string& folder);
// What stands there, with the options `encoder` was loaded with but for the precision.
Result<std::shared_ptr<const Encoder>> load_moved(const Encoder& encoder, const std::string& folder,
                                                  Precision precision);

// (ids.size(), labels) log-probabilities, those of an EncoderRung to the bit. Fails only with Error::cancelled().
Result<std::vector<float>> score_as_run(const Encoder& encoder, const SoftmaxHead& head,
                                        std::span<const std::vector<std::int32_t>> ids, ThreadPool& pool,
                                        const Watcher& watcher);

// What it runs in when the precision of `encoder` costs too much (kPrecisionCostMax): that of training. Nothing when it
// is that already, or f32.
std::optional<Precision> slower_precision(const Encoder& encoder);

}  // namespace smidgen
