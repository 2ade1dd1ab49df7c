#include "smidgen/model/smoothing.h"

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "smidgen/base/file.h"
#include "smidgen/base/json.h"

namespace smidgen {

namespace {

constexpr double kMigration = 0.65;  // a of the paper
constexpr std::uint64_t kFileBytesMax = 64 << 20;

Result<SmoothingExponents> read_exponents(simdjson::dom::element element, std::size_t hidden) {
  simdjson::dom::array values;
  SmoothingExponents exponents;
  if (element.get_array().get(values) != simdjson::SUCCESS || values.size() != hidden)
    return Error::bad_data("`inputs` must hold lists of " + std::to_string(hidden) + " integers");
  exponents.reserve(hidden);
  for (const simdjson::dom::element value : values) {
    std::int64_t exponent = 0;
    if (value.get_int64().get(exponent) != simdjson::SUCCESS || exponent < -kSmoothingExponentMax ||
        exponent > kSmoothingExponentMax)
      return Error::bad_data("an exponent must be an integer in " + std::to_string(-kSmoothingExponentMax) + ".." +
                             std::to_string(kSmoothingExponentMax));
    exponents.push_back(static_cast<std::int8_t>(exponent));
  }
  return exponents;
}

Result<Smoothing> read(const std::string& path, std::size_t layers, std::size_t hidden) {
  SMIDGEN_ASSIGN(const JsonDocument document, JsonDocument::load(path, kFileBytesMax));
  SMIDGEN_TRY(json_integer(document.root(), "format", 1, 1));
  simdjson::dom::array inputs;
  if (document.root()["inputs"].get_array().get(inputs) != simdjson::SUCCESS || inputs.size() != 2 * layers)
    return Error::bad_data("`inputs` must be a list of " + std::to_string(2 * layers) + " lists");
  Smoothing smoothing;
  for (const simdjson::dom::element input : inputs) {
    SMIDGEN_ASSIGN(SmoothingExponents exponents, read_exponents(input, hidden));
    smoothing.inputs.push_back(std::move(exponents));
  }
  return smoothing;
}

}  // namespace

Result<std::optional<Smoothing>> Smoothing::load(const std::string& folder, std::size_t layers, std::size_t hidden) {
  const std::string path = (std::filesystem::path(folder) / kFileName).string();
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) return std::optional<Smoothing>();
  Result<Smoothing> smoothing = read(path, layers, hidden);
  if (!smoothing.ok())
    return Error(smoothing.error())
        .in(path)
        .hint("take another copy of the model, or one without this file: then it is measured anew");
  return std::optional<Smoothing>(std::move(smoothing).value());
}

Status Smoothing::save(const std::string& folder) const {
  std::string text = "{\"format\":1,\"inputs\":[";
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    text += i == 0 ? "\n[" : ",\n[";
    for (std::size_t j = 0; j < inputs[i].size(); ++j) text += (j == 0 ? "" : ",") + std::to_string(inputs[i][j]);
    text += ']';
  }
  return write_file_atomic((std::filesystem::path(folder) / kFileName).string(), text + "]}\n");
}

SmoothingExponents smoothing_exponents(std::span<const float> largest, const LinearWeights& weights) {
  SMIDGEN_CHECK(largest.size() == weights.in);
  std::vector<double> logs(weights.in), known;
  for (std::size_t j = 0; j < weights.in; ++j) {
    float w = 0;
    for (std::size_t i = 0; i < weights.out; ++i) w = std::max(w, std::fabs(weights.weight[i * weights.in + j]));
    const double log =
        kMigration * std::log2(static_cast<double>(largest[j])) - (1 - kMigration) * std::log2(static_cast<double>(w));
    logs[j] = log;
    if (std::isfinite(log)) known.push_back(log);  // a column of zeros has no size
  }
  SmoothingExponents exponents(weights.in, 0);
  if (known.empty()) return exponents;
  const auto middle = known.begin() + static_cast<std::ptrdiff_t>(known.size() / 2);
  std::nth_element(known.begin(), middle, known.end());
  for (std::size_t j = 0; j < weights.in; ++j) {
    const double exponent = std::isfinite(logs[j]) ? std::nearbyint(logs[j] - *middle) : 0;
    exponents[j] = static_cast<std::int8_t>(
        std::clamp(exponent, -static_cast<double>(kSmoothingExponentMax), static_cast<double>(kSmoothingExponentMax)));
  }
  return exponents;
}

std::vector<float> smooth(const SmoothingExponents& exponents, LinearWeights& weights) {
  SMIDGEN_CHECK(exponents.size() == weights.in);
  std::vector<float> factors(weights.in);
  for (std::size_t j = 0; j < weights.in; ++j) {
    factors[j] = std::ldexp(1.0F, -exponents[j]);
    const float inverse = std::ldexp(1.0F, exponents[j]);
    for (std::size_t i = 0; i < weights.out; ++i) weights.weight[i * weights.in + j] *= inverse;
  }
  return factors;
}

}  // namespace smidgen
