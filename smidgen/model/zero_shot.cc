#include "smidgen/model/zero_shot.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

#include "smidgen/base/out_of_memory.h"
#include "smidgen/model/encoder.h"
#include "smidgen/model/encoder_rung.h"
#include "smidgen/model/softmax_head.h"

namespace smidgen {

namespace {

constexpr std::size_t kLabelsMax = 10000;
constexpr float kScale = 20;

// A label as it stands in a prompt.
std::string spoken(std::string label) {
  std::replace(label.begin(), label.end(), '_', ' ');
  return label;
}

Status check(const ZeroShotOptions& options) {
  if (options.labels.size() < 2 || options.labels.size() > kLabelsMax)
    return Error::usage("the number of labels is " + std::to_string(options.labels.size()) + ", not in 2.." +
                        std::to_string(kLabelsMax));
  std::set<std::string> seen;
  for (const std::string& label : options.labels) {
    if (label.empty()) return Error::usage("a label is empty");
    if (!seen.insert(spoken(label)).second)
      return Error::usage("the label \"" + label.substr(0, 64) + "\" is there twice" +
                          (label.find_first_of("_ ") == std::string::npos ? "" : " (\"_\" is read as a space)"));
  }
  const std::size_t at = options.label_template.find("{}");
  if (at == std::string::npos || options.label_template.find("{}", at + 2) != std::string::npos)
    return Error::usage("the template \"" + options.label_template.substr(0, 64) + "\" must have {} once")
        .hint("put {} where the label goes, as in \"" + std::string(kLabelTemplate) + "\"");
  return Ok{};
}

std::string prompt(std::string label_template, const std::string& label) {
  return label_template.replace(label_template.find("{}"), 2, spoken(label));
}

Result<SoftmaxHead> label_head(const Encoder& encoder, const ZeroShotOptions& options) {
  SoftmaxHead head;
  head.labels = options.labels.size();
  head.dimensions = encoder.dimensions();
  head.weights.resize(head.labels * head.dimensions);
  head.bias.resize(head.labels);
  Encoder::Scratch scratch;
  for (std::size_t i = 0; i < head.labels; ++i) {
    float* vector = &head.weights[i * head.dimensions];
    const bool cut = encoder.embed_text(prompt(options.label_template, options.labels[i]), scratch, vector);
    if (cut)  // what is cut off may be the label
      return Error::usage("the template with the label \"" + options.labels[i].substr(0, 64) + "\" has more than the " +
                          std::to_string(encoder.tokens_max()) + " tokens this encoder reads")
          .hint("shorten it");
    double squares = 0;
    for (std::size_t j = 0; j < head.dimensions; ++j) squares += double{vector[j]} * vector[j];
    if (!(squares > 0))
      return Error::bad_data("the encoder gives no vector for the label \"" + options.labels[i].substr(0, 64) + "\"");
    const float scale = kScale / static_cast<float>(std::sqrt(squares));
    for (std::size_t j = 0; j < head.dimensions; ++j) vector[j] *= scale;
  }
  return head;
}

}  // namespace

Result<Bundle> zero_shot_bundle(const std::string& encoder_folder, const ZeroShotOptions& options) try {
  SMIDGEN_TRY(check(options));
  EncoderOptions loading;
  loading.tokens_max = options.tokens_max;
  loading.kernels = options.kernels;
  loading.precision = options.precision;
  loading.normalize = true;
  SMIDGEN_ASSIGN(Encoder loaded, Encoder::load(encoder_folder, loading));
  const auto encoder = std::make_shared<const Encoder>(std::move(loaded));
  SMIDGEN_ASSIGN(SoftmaxHead head, label_head(*encoder, options));
  SMIDGEN_ASSIGN(std::unique_ptr<EncoderRung> rung, EncoderRung::create(encoder, std::move(head)));
  Bundle bundle;
  bundle.info.task = "classification";
  bundle.info.labels = options.labels;
  bundle.info.precision = options.precision;
  bundle.info.rungs = {{"encoder", RungKind::kEncoder, "encoder", encoder->tokens_max()}};
  bundle.info.policy.stages = {{.weights = {1.0F}, .bias = {}, .threshold = 0}};
  bundle.rungs.push_back(std::move(rung));
  return bundle;
} catch (const std::bad_alloc&) {
  return out_of_memory();
}

}  // namespace smidgen
