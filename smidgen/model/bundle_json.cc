#include "smidgen/model/bundle_json.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "smidgen/base/json.h"
#include "smidgen/base/statistics.h"
#include "smidgen/model/speller_file.h"

namespace smidgen {

namespace {

using simdjson::dom::element;
using Json = nlohmann::ordered_json;

Error wrong(std::string_view key, std::string_view wanted) {
  return Error::bad_data("`" + std::string(key) + "` must be " + std::string(wanted));
}

bool is_hex64(std::string_view text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

bool is_utf8(std::string_view text) {
  return simdjson::validate_utf8(text.data(), text.size());
}

// "files" keys: up to four safe components.
bool is_safe_path(std::string_view path) {
  std::size_t parts = 0;
  for (;;) {
    const std::size_t slash = path.find('/');
    if (!is_safe_name(path.substr(0, slash)) || ++parts > 4) return false;
    if (slash == std::string_view::npos) return parts >= 2;
    path.remove_prefix(slash + 1);
  }
}

Result<simdjson::dom::array> array_at(element object, std::string_view key, std::size_t size_min,
                                      std::size_t size_max) {
  simdjson::dom::array array;
  if (object.at_key(key).get(array) != simdjson::SUCCESS || array.size() < size_min || array.size() > size_max)
    return wrong(key, "an array of " + std::to_string(size_min) + ".." + std::to_string(size_max) + " entries");
  return array;
}

Result<element> object_at(element object, std::string_view key) {
  element value;
  if (object.at_key(key).get(value) != simdjson::SUCCESS || !value.is_object()) return wrong(key, "an object");
  return value;
}

Result<std::vector<std::string>> strings_at(element object, std::string_view key, std::size_t size_min,
                                            std::size_t size_max, std::size_t bytes_max) {
  SMIDGEN_ASSIGN(const simdjson::dom::array array, array_at(object, key, size_min, size_max));
  std::vector<std::string> out;
  for (const element item : array) {
    std::string_view text;
    if (item.get(text) != simdjson::SUCCESS || text.size() > bytes_max)
      return wrong(key, "an array of strings of at most " + std::to_string(bytes_max) + " bytes");
    out.emplace_back(text);
  }
  return out;
}

Status check_format(element root, std::string_view document) {
  if (!root.is_object()) return Error::bad_data("a JSON object is wanted");
  std::int64_t format = 0;
  if (root.at_key("format").get(format) != simdjson::SUCCESS) return wrong("format", "the number 1");
  if (format != kBundleFormat)
    return Error::bad_data(std::string(document) + " format " + std::to_string(format) +
                           " is unknown; this program reads format " + std::to_string(kBundleFormat))
        .hint("use the smidgen version that wrote the bundle, or pick again");
  return Ok{};
}

Status check_keys(element object, std::initializer_list<std::string_view> known, std::string_view where) {
  for (const auto [key, value] : simdjson::dom::object(object)) {
    (void)value;
    if (std::find(known.begin(), known.end(), key) == known.end())
      return Error::bad_data("unknown field `" + std::string(key.substr(0, 64)) + "` in " + std::string(where));
  }
  return Ok{};
}

Result<float> weight_of(element value, std::string_view key) {
  double number = 0;
  if (value.get(number) != simdjson::SUCCESS || !(std::abs(number) <= 1e6)) return wrong(key, "numbers in -1e6..1e6");
  return static_cast<float>(number);
}

// stacks{weights{rung name: weight}, bias[]}: a rung that is not named has weight zero.
Result<Stage> read_stage(element rung, const std::vector<BundleRung>& so_far, std::size_t labels) {
  Stage stage;
  SMIDGEN_ASSIGN(stage.threshold, json_number(rung, "threshold", 0, 1e6));
  SMIDGEN_ASSIGN(const element stacks, object_at(rung, "stacks"));
  SMIDGEN_TRY(check_keys(stacks, {"weights", "bias"}, "`stacks`"));
  SMIDGEN_ASSIGN(const element weights, object_at(stacks, "weights"));
  stage.weights.assign(so_far.size(), 0.0F);
  for (const auto [name, value] : simdjson::dom::object(weights)) {
    const auto at =
        std::find_if(so_far.begin(), so_far.end(), [&, key = name](const auto& r) { return r.name == key; });
    if (at == so_far.end())
      return Error::bad_data("`stacks` names \"" + std::string(name.substr(0, 64)) +
                             "\", which is not this rung or an earlier one");
    SMIDGEN_ASSIGN(stage.weights[static_cast<std::size_t>(at - so_far.begin())], weight_of(value, "weights"));
  }
  SMIDGEN_ASSIGN(const simdjson::dom::array bias, array_at(stacks, "bias", 0, labels));
  if (bias.size() != 0 && bias.size() != labels) return wrong("bias", "empty or one number per label");
  for (const element value : bias) {
    SMIDGEN_ASSIGN(const float number, weight_of(value, "bias"));
    stage.bias.push_back(number);
  }
  return stage;
}

Result<RungKind> kind_from(std::string_view text) {
  for (const RungKind kind : {RungKind::kLinear, RungKind::kStatic, RungKind::kEncoder})
    if (text == to_string(kind)) return kind;
  return Error::bad_data("unknown rung kind \"" + std::string(text.substr(0, 64)) + "\"")
      .hint("this program knows linear, static and encoder");
}

Status read_rungs(element root, BundleInfo& info) {
  SMIDGEN_ASSIGN(const simdjson::dom::array rungs, array_at(root, "rungs", 1, kRungsMax));
  for (const element item : rungs) {
    if (!item.is_object()) return wrong("rungs", "an array of objects");
    SMIDGEN_TRY(
        check_keys(item, {"name", "kind", "path", "stacks", "threshold", "tokens_max", "exit_after"}, "a rung"));
    BundleRung rung;
    SMIDGEN_ASSIGN(rung.name, json_string(item, "name", 96));
    SMIDGEN_ASSIGN(const std::string kind, json_string(item, "kind", 64));
    SMIDGEN_ASSIGN(rung.kind, kind_from(kind));
    SMIDGEN_ASSIGN(rung.path, json_string(item, "path", 96));
    SMIDGEN_ASSIGN(const std::int64_t tokens, json_integer(item, "tokens_max", 0, kTokensMax));
    rung.tokens_max = static_cast<std::size_t>(tokens);
    if (element exit; item.at_key("exit_after").get(exit) == simdjson::SUCCESS) {
      SMIDGEN_ASSIGN(const std::int64_t layers, json_integer(item, "exit_after", 1, kLayersMax));
      rung.exit_after = static_cast<std::size_t>(layers);
    }
    info.rungs.push_back(std::move(rung));
    SMIDGEN_ASSIGN(Stage stage, read_stage(item, info.rungs, info.labels.size()));
    info.policy.stages.push_back(std::move(stage));
  }
  return Ok{};
}

// A float with its own shortest digits (0.1, not 0.10000000149011612), when they read back to the same float.
Json number(float value) {
  char digits[32];
  const auto end = std::to_chars(digits, digits + sizeof digits, value);
  double shorter = 0;
  std::from_chars(digits, end.ptr, shorter);
  return static_cast<float>(shorter) == value ? Json(shorter) : Json(static_cast<double>(value));
}

}  // namespace

bool is_safe_name(std::string_view name) {
  if (name.empty() || name.size() > 96) return false;
  const auto plain = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); };
  return plain(name[0]) &&
         std::all_of(name.begin(), name.end(), [&](char c) { return plain(c) || c == '.' || c == '_' || c == '-'; });
}

namespace {

// Exits rise directly below the encoder they are of, and read the same tokens.
Status check_exits(const std::vector<BundleRung>& rungs) {
  for (std::size_t i = 0; i < rungs.size(); ++i) {
    const BundleRung& rung = rungs[i];
    if (rung.exit_after > 0 && rung.kind != RungKind::kEncoder)
      return wrong("exit_after", "left out: \"" + rung.name + "\" is no encoder");
    if (rung.exit_after > kLayersMax) return wrong("exit_after", "at most " + std::to_string(kLayersMax));
    if (i == 0 || rung.kind != RungKind::kEncoder || rungs[i - 1].kind != RungKind::kEncoder) continue;
    if (rung.exit_after > 0 && (rungs[i - 1].exit_after == 0 || rungs[i - 1].exit_after >= rung.exit_after))
      return wrong("exit_after", "rising: \"" + rung.name + "\" stands behind a rung of no fewer layers");
    if (rungs[i - 1].exit_after > 0 && rung.tokens_max != rungs[i - 1].tokens_max)
      return wrong("tokens_max", "that of \"" + rungs[i - 1].name + "\", which is an exit of it");
  }
  return Ok{};
}

}  // namespace

Status validate_info(const BundleInfo& info) {
  if (info.task != "classification") return wrong("task", "\"classification\"");
  if (bundle_precision(info.rungs, info.precision) != info.precision)
    return Error::bad_data("`precision` is \"" + std::string(precision_name(info.precision)) +
                           "\", but no rung is an encoder: it must be \"f32\"");
  if (info.labels.size() < 2 || info.labels.size() > kLabelsMax)
    return wrong("labels", "an array of 2.." + std::to_string(kLabelsMax) + " entries");
  std::set<std::string_view> seen;
  for (const std::string& label : info.labels) {
    if (label.empty() || label.size() > kLabelBytesMax || !is_utf8(label))
      return wrong("labels", "non-empty UTF-8 strings of at most " + std::to_string(kLabelBytesMax) + " bytes");
    if (!seen.insert(label).second) return Error::bad_data("the label \"" + label.substr(0, 64) + "\" stands twice");
  }
  if (info.rungs.empty() || info.rungs.size() > kRungsMax)
    return wrong("rungs", "an array of 1.." + std::to_string(kRungsMax) + " entries");
  std::set<std::string_view> names, paths;
  for (const BundleRung& rung : info.rungs) {
    if (!is_safe_name(rung.name)) return wrong("name", "letters, digits, '.', '_' and '-'");
    if (!is_safe_name(rung.path)) return wrong("path", "one folder name inside the bundle");
    if (rung.path == "bundle.json" || rung.path == "certificate.json" || rung.path == "README.md" ||
        rung.path == kSpellerFileName)
      return wrong("path", "a folder of its own");
    if (!names.insert(rung.name).second || !paths.insert(rung.path).second)
      return Error::bad_data("two rungs share the name or path \"" + rung.name + "\"");
  }
  SMIDGEN_TRY(check_exits(info.rungs));
  if (info.policy.stages.size() != info.rungs.size()) return Error::bad_data("the policy needs one stage per rung");
  return info.policy.validate(info.labels.size());
}

Result<std::string> manifest_to_json(const BundleManifest& manifest) {
  const BundleInfo& info = manifest.info;
  SMIDGEN_TRY(validate_info(info));
  Json root = {{"format", kBundleFormat},
               {"task", info.task},
               {"labels", info.labels},
               {"precision", std::string(precision_name(info.precision))}};
  if (info.speller != nullptr) root["typos"] = "repair";  // absent: bundles without a speller are as they always were
  Json& rungs = root["rungs"] = Json::array();
  for (std::size_t i = 0; i < info.rungs.size(); ++i) {
    const BundleRung& rung = info.rungs[i];
    const Stage& stage = info.policy.stages[i];
    Json weights = Json::object(), bias = Json::array();
    for (std::size_t j = 0; j < stage.weights.size(); ++j)
      if (stage.weights[j] != 0 || j == i) weights[info.rungs[j].name] = number(stage.weights[j]);
    for (const float value : stage.bias) bias.push_back(number(value));
    rungs.push_back({{"name", rung.name},
                     {"kind", std::string(to_string(rung.kind))},
                     {"path", rung.path},
                     {"stacks", {{"weights", weights}, {"bias", bias}}},
                     {"threshold", stage.threshold},
                     {"tokens_max", rung.tokens_max}});
    if (rung.exit_after > 0) rungs.back()["exit_after"] = rung.exit_after;
  }
  root["files"] = manifest.files;
  return root.dump(1) + "\n";
}

Result<BundleManifest> manifest_from_json(std::string_view text) {
  SMIDGEN_ASSIGN(const JsonDocument document, JsonDocument::parse(text));
  const element root = document.root();
  SMIDGEN_TRY(check_format(root, "bundle"));
  SMIDGEN_TRY(check_keys(root, {"format", "task", "labels", "precision", "typos", "rungs", "files"}, "bundle.json"));
  BundleManifest manifest;
  BundleInfo& info = manifest.info;
  SMIDGEN_ASSIGN(info.task, json_string(root, "task", 64));
  SMIDGEN_ASSIGN(const std::string precision, json_string(root, "precision", 64));
  const std::optional<Precision> known = precision_by_name(precision);
  if (!known) return wrong("precision", "\"f32\", \"bf16\" or \"int8\"");
  info.precision = *known;
  SMIDGEN_ASSIGN(info.labels, strings_at(root, "labels", 2, kLabelsMax, kLabelBytesMax));
  SMIDGEN_TRY(read_rungs(root, info));
  SMIDGEN_TRY(validate_info(info));
  if (element typos; root.at_key("typos").get(typos) == simdjson::SUCCESS) {
    std::string_view word;
    if (typos.get(word) != simdjson::SUCCESS || word != "repair") return wrong("typos", "\"repair\", or left out");
    manifest.repairs_typos = true;
  }
  SMIDGEN_ASSIGN(const element files, object_at(root, "files"));
  for (const auto [path, value] : simdjson::dom::object(files)) {
    std::string_view hash;
    if (value.get(hash) != simdjson::SUCCESS || !is_hex64(hash))
      return wrong("files", "an object of SHA-256 hashes (64 lower-case hexadecimal digits)");
    const auto owner = std::find_if(info.rungs.begin(), info.rungs.end(), [p = path](const BundleRung& rung) {
      return p.size() > rung.path.size() && p.starts_with(rung.path) && p[rung.path.size()] == '/';
    });
    const bool speller = manifest.repairs_typos && path == kSpellerFileName;
    if (!speller && (!is_safe_path(path) || owner == info.rungs.end()))
      return wrong("files", "paths inside the rungs' folders, not \"" + std::string(path.substr(0, 64)) + "\"");
    if (manifest.files.size() >= kFilesMax) return wrong("files", "at most " + std::to_string(kFilesMax) + " entries");
    manifest.files.emplace(path, hash);
  }
  if (manifest.repairs_typos && !manifest.files.contains(kSpellerFileName))
    return wrong("files", std::string("an object with ") + kSpellerFileName + ", as `typos` is \"repair\"");
  return manifest;
}

Result<std::string> certificate_to_json(const Certificate& c) {
  Json targets = Json::array();
  for (const Certificate::Target& target : c.targets)
    targets.push_back({{"kind", target.kind},
                       {"label", target.label},
                       {"target", target.target},
                       {"n", target.n},
                       {"hits", target.hits},
                       {"p_value", target.p_value},
                       {"n_local", target.n_local},
                       {"hits_local", target.hits_local}});
  const Json root = {{"format", kBundleFormat},
                     {"certified", c.certified},
                     {"statement", c.statement},
                     {"risk", c.risk},
                     {"alpha", c.alpha},
                     {"delta", c.delta},
                     {"n_units", c.n_units},
                     {"n_answered", c.n_answered},
                     {"errors", c.errors},
                     {"coverage", c.coverage},
                     {"p_value", c.p_value},
                     {"lower_bound", c.lower_bound},
                     {"method", c.method},
                     {"candidates", c.candidates},
                     {"tested", c.tested},
                     {"attempts", c.attempts},
                     {"targets", targets},
                     {"assumptions", c.assumptions},
                     {"not_claimed", c.not_claimed},
                     {"labels_from", c.labels_from},
                     {"data_sha256", c.data_sha256},
                     {"test_sha256", c.test_sha256},
                     {"split_salt", c.split_salt},
                     {"bundle_sha256", c.bundle_sha256},
                     {"precision", c.precision},
                     {"version", c.version}};
  // Labels inside sentences were checked as UTF-8 with the bundle; anything else foreign is replaced, never thrown on.
  std::string text = root.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
  auto readable = certificate_from_json(text);  // what we write, we can read
  if (!readable.ok()) return std::move(readable).error();
  return text;
}

namespace {

// Of a certificate: its test is made again wherever it is read.
constexpr std::size_t kTargetsMax = 4096;
constexpr std::int64_t kUnitsMax = 100'000'000;

Result<std::vector<Certificate::Target>> read_targets(element root) {
  SMIDGEN_ASSIGN(const simdjson::dom::array array, array_at(root, "targets", 0, kTargetsMax));
  std::vector<Certificate::Target> targets;
  for (const element item : array) {
    if (!item.is_object()) return wrong("targets", "an array of objects");
    SMIDGEN_TRY(
        check_keys(item, {"kind", "label", "target", "n", "hits", "p_value", "n_local", "hits_local"}, "a target"));
    Certificate::Target target;
    SMIDGEN_ASSIGN(target.kind, json_string(item, "kind", 16));
    if (target.kind != "recall" && target.kind != "precision") return wrong("kind", "\"recall\" or \"precision\"");
    SMIDGEN_ASSIGN(target.label, json_string(item, "label", kLabelBytesMax));
    SMIDGEN_ASSIGN(target.target, json_number(item, "target", 0, 1));
    SMIDGEN_ASSIGN(const std::int64_t n, json_integer(item, "n", 0, kUnitsMax));
    SMIDGEN_ASSIGN(const std::int64_t hits, json_integer(item, "hits", 0, n));
    SMIDGEN_ASSIGN(target.p_value, json_number(item, "p_value", 0, 1));
    target.n = static_cast<std::uint64_t>(n);
    target.hits = static_cast<std::uint64_t>(hits);
    SMIDGEN_ASSIGN(const std::int64_t n_local, json_integer(item, "n_local", 0, n));
    SMIDGEN_ASSIGN(const std::int64_t hits_local, json_integer(item, "hits_local", 0, std::min(hits, n_local)));
    target.n_local = static_cast<std::uint64_t>(n_local);
    target.hits_local = static_cast<std::uint64_t>(hits_local);
    targets.push_back(std::move(target));
  }
  return targets;
}

Status read_counts(element root, Certificate& c) {
  SMIDGEN_ASSIGN(const std::int64_t units, json_integer(root, "n_units", 0, kUnitsMax));
  SMIDGEN_ASSIGN(const std::int64_t answered, json_integer(root, "n_answered", 0, units));
  SMIDGEN_ASSIGN(const std::int64_t errors, json_integer(root, "errors", 0, units));
  SMIDGEN_ASSIGN(const std::int64_t candidates, json_integer(root, "candidates", 0, INT64_MAX));
  SMIDGEN_ASSIGN(const std::int64_t attempts, json_integer(root, "attempts", 0, INT64_MAX));
  c.n_units = static_cast<std::uint64_t>(units);
  c.n_answered = static_cast<std::uint64_t>(answered);
  c.errors = static_cast<std::uint64_t>(errors);
  c.candidates = static_cast<std::uint64_t>(candidates);
  c.attempts = static_cast<std::uint64_t>(attempts);
  SMIDGEN_ASSIGN(const std::int64_t tested, json_integer(root, "tested", 0, candidates));
  c.tested = static_cast<std::uint64_t>(tested);
  return Ok{};
}

// ln p of the exact test, from the counts that are stated; 0 where there is nothing to test.
double log_p_of(std::uint64_t wrong_answers, std::uint64_t n, double alpha) {
  if (n == 0 || wrong_answers > n || !(alpha > 0 && alpha < 1)) return 0;
  return log_binomial_lower_tail(wrong_answers, n, alpha);
}

// A p-value that is stated and the one that the counts give.
bool is_p_value(double stated, double log_p) {
  constexpr double kRounding = 1e-6, kUnderflow = -700;
  if (log_p < kUnderflow) return stated <= std::exp(kUnderflow);
  return stated > 0 && std::abs(std::log(stated) - log_p) <= kRounding * std::max(1.0, std::abs(log_p));
}

// The test again, as it is stated.
Status check_test(const Certificate& c) {
  constexpr double kRounding = 1e-9;
  double largest = log_p_of(c.errors, c.risk == "all" ? c.n_units : c.n_answered, c.alpha);
  bool stated = true;
  for (const Certificate::Target& t : c.targets) {
    const double log_p = log_p_of(t.n - t.hits, t.n, 1 - t.target);
    stated = stated && is_p_value(t.p_value, log_p);
    largest = std::max(largest, log_p);
  }
  if (!(c.delta > 0) || largest > std::log(c.delta) + kRounding)
    return Error::bad_data("`certified` is true, yet its counts do not pass the exact binomial test at delta");
  if (!stated || !is_p_value(c.p_value, largest))
    return Error::bad_data("`certified` is true, yet a `p_value` is not that of its counts");
  return Ok{};
}

Status check_claims(const Certificate& c) {
  if (c.risk != "selective" && c.risk != "all") return wrong("risk", "\"selective\" or \"all\"");
  for (const auto& [key, hash] :
       {std::pair<const char*, const std::string&>("data_sha256", c.data_sha256), {"bundle_sha256", c.bundle_sha256}})
    if (!is_hex64(hash)) return wrong(key, "64 lower-case hexadecimal digits");
  if (!c.test_sha256.empty() && !is_hex64(c.test_sha256))
    return wrong("test_sha256", "empty or 64 lower-case hexadecimal digits");
  // What the numbers do not bear out is no certificate, whatever the flag says.
  bool passed = c.p_value <= c.delta && c.n_answered > 0;
  for (const Certificate::Target& target : c.targets) passed = passed && target.p_value <= c.delta;
  if (c.certified && !passed)
    return Error::bad_data("`certified` is true, yet a p-value is above delta or nothing was answered");
  if (c.certified) SMIDGEN_TRY(check_test(c));
  if (c.certified && std::abs(c.lower_bound - (1 - c.alpha)) > 1e-9)
    return Error::bad_data("`certified` is true, yet `lower_bound` is not 1 - `alpha`, which is what the test shows");
  return Ok{};
}

}  // namespace

Result<Certificate> certificate_from_json(std::string_view text) {
  SMIDGEN_ASSIGN(const JsonDocument document, JsonDocument::parse(text));
  const element root = document.root();
  SMIDGEN_TRY(check_format(root, "certificate"));
  SMIDGEN_TRY(check_keys(
      root, {"format",     "certified", "statement",   "risk",        "alpha",       "delta",      "n_units",
             "n_answered", "errors",    "coverage",    "p_value",     "lower_bound", "method",     "candidates",
             "attempts",   "targets",   "assumptions", "not_claimed", "data_sha256", "split_salt", "bundle_sha256",
             "precision",  "version",   "tested",      "test_sha256", "labels_from"},
      "certificate.json"));
  Certificate c;
  SMIDGEN_ASSIGN(c.certified, json_bool(root, "certified"));
  SMIDGEN_ASSIGN(c.statement, json_string(root, "statement"));
  SMIDGEN_ASSIGN(c.risk, json_string(root, "risk", 16));
  SMIDGEN_ASSIGN(c.alpha, json_number(root, "alpha", 0, 1));
  SMIDGEN_ASSIGN(c.delta, json_number(root, "delta", 0, 1));
  SMIDGEN_TRY(read_counts(root, c));
  SMIDGEN_ASSIGN(c.coverage, json_number(root, "coverage", 0, 1));
  SMIDGEN_ASSIGN(c.p_value, json_number(root, "p_value", 0, 1));
  SMIDGEN_ASSIGN(c.lower_bound, json_number(root, "lower_bound", 0, 1));
  SMIDGEN_ASSIGN(c.method, json_string(root, "method"));
  SMIDGEN_ASSIGN(c.targets, read_targets(root));
  SMIDGEN_ASSIGN(c.assumptions, strings_at(root, "assumptions", 0, 1000, 1 << 16));
  SMIDGEN_ASSIGN(c.not_claimed, strings_at(root, "not_claimed", 0, kLabelsMax, kLabelBytesMax));
  SMIDGEN_ASSIGN(c.labels_from, json_string(root, "labels_from", 4096));
  SMIDGEN_ASSIGN(c.data_sha256, json_string(root, "data_sha256", 64));
  SMIDGEN_ASSIGN(c.test_sha256, json_string(root, "test_sha256", 64));
  SMIDGEN_ASSIGN(c.split_salt, json_string(root, "split_salt", 256));
  SMIDGEN_ASSIGN(c.bundle_sha256, json_string(root, "bundle_sha256", 64));
  SMIDGEN_ASSIGN(c.precision, json_string(root, "precision", 64));
  SMIDGEN_ASSIGN(c.version, json_string(root, "version", 64));
  SMIDGEN_TRY(check_claims(c));
  return c;
}

}  // namespace smidgen
