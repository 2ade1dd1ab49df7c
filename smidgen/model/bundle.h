// A bundle on disk: bundle.json, certificate.json, README.md (model card) and one folder per rung. Fields:
// docs/bundles.md.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "smidgen/base/result.h"
#include "smidgen/model/policy.h"
#include "smidgen/model/rung.h"
#include "smidgen/text/spelling.h"

namespace smidgen {

// What a certificate states; certificate.json holds these fields under the same names.
struct Certificate {
  std::string statement;  // the whole sentence, with its unit and assumptions
  std::string risk;       // "selective" or "all"
  double alpha = 0, delta = 0;
  std::uint64_t n_units = 0, n_answered = 0, errors = 0;
  double coverage = 0, p_value = 1,
         lower_bound = 0;  // lower_bound: of the accuracy that is certified, at confidence 1 - delta
  std::string method;
  std::uint64_t candidates = 0, attempts = 1;
  std::string data_sha256, split_salt, bundle_sha256, precision, version;
  bool certified = false;
  struct Target {
    std::string kind, label;  // "recall" or "precision"
    double target = 0;
    std::uint64_t n = 0, hits = 0;  // recall: true units of the label, those found (answered so, or escalated)
    double p_value = 1;
    std::uint64_t n_local = 0, hits_local = 0;  // recall among the local answers only
  };
  std::vector<Target> targets;
  std::vector<std::string> assumptions, not_claimed;  // sentences; labels with too few units
  std::uint64_t tested = 0;  // candidates of the fixed sequence that were tested, the failing one included
  std::string labels_from;   // a model, when its labels and not people's certified: agreement with it; else empty
  std::string test_sha256;   // of the file that certified (--test); empty when a part of the data did
};

struct BundleRung {
  std::string name;  // "linear"
  RungKind kind = RungKind::kLinear;
  std::string path;  // folder inside the bundle
  std::size_t tokens_max = 0;
  std::size_t exit_after = 0;  // layers of its encoder after which it answers; 0: all, or it is no encoder
};

struct BundleInfo {
  std::string task;                       // "classification"
  std::vector<std::string> labels;        // class order of all scores
  Precision precision = Precision::kF32;  // of its encoder; without one always f32
  std::vector<BundleRung> rungs;
  Policy policy;
  std::shared_ptr<const Speller> speller;  // reads every text before the rungs do; null: they get it as it is
};

// How a rung's folder is opened: load_rung, or a stand-in in tests.
using RungLoader = std::function<Result<std::unique_ptr<Rung>>(
    RungKind kind, const std::string& folder, std::size_t labels, std::size_t tokens_max, Precision precision)>;

// Whether the folder of this rung holds only the head of an exit, and the rung after it, or one further up, has the
// encoder: exits stand directly before what goes on from them, an exit of more layers or the whole encoder.
bool shares_encoder(const std::vector<BundleRung>& rungs, std::size_t at);
// What a bundle of these rungs must say: an encoder's precision, f32 when it has none.
Precision bundle_precision(const std::vector<BundleRung>& rungs, Precision of_encoder);

// An opened bundle: hashes of all files checked, rungs loaded.
struct Bundle {
  BundleInfo info;
  std::vector<std::unique_ptr<Rung>> rungs;
  std::optional<Certificate> certificate;
  std::string sha256;  // of bundle.json
  // Its encoder computes in another precision than bundle.json says, so nothing that was measured or certified holds.
  bool other_precision = false;

  // A missing folder is kNoInput; anything that is not exactly what save_bundle wrote is kBadData, naming file and
  // field (unlisted files in a rung's folder, links, changed bytes, a certificate of another bundle).
  // `precision`: instead of the bundle's own.
  static Result<Bundle> load(const std::string& folder, std::optional<Precision> precision = std::nullopt);
  static Result<Bundle> load(const std::string& folder, const RungLoader& loader,
                             std::optional<Precision> precision = std::nullopt);
};

// Whether save_bundle could write there, without writing: asked before the work whose result is to be kept.
Status check_bundle_target(const std::string& folder, bool replace);
// Writes all of it to `folder` (staged, renamed). `model_card` becomes README.md. The certificate's bundle_sha256 is
// filled in. With `replace`, only a bundle or an empty folder is replaced: anything else is kCannotCreate.
Status save_bundle(const std::string& folder, bool replace, const BundleInfo& info,
                   const std::vector<const Rung*>& rungs, const std::optional<Certificate>& certificate,
                   const std::string& model_card);

}  // namespace smidgen
