#include "smidgen/model/encoder_heads.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "smidgen/base/file.h"
#include "smidgen/base/json.h"
#include "smidgen/model/checkpoint.h"

namespace smidgen {

namespace {

using simdjson::dom::element;

constexpr std::uint64_t kConfigBytesMax = 4U << 20;
constexpr std::size_t kLabelsMax = 65536;

Result<HeadKind> parse_kind(element root) {
  simdjson::dom::array list;
  std::string_view name;
  if (root["architectures"].get(list) != simdjson::SUCCESS || list.size() == 0 ||
      list.at(0).get(name) != simdjson::SUCCESS)
    return Error::bad_data("`architectures` must be a list that names the model's class");
  if (name.ends_with("ForSequenceClassification")) return HeadKind::kSequence;
  if (name.ends_with("ForTokenClassification")) return HeadKind::kTokens;
  if (name.ends_with("ForQuestionAnswering")) return HeadKind::kQuestions;
  return Error::bad_data("`architectures` names \"" + std::string(name.substr(0, 64)) + "\", which has no head")
      .hint("use a model ..ForSequenceClassification, ..ForTokenClassification or ..ForQuestionAnswering");
}

// id2label maps "0", "1", .. to names.
Result<std::vector<std::string>> parse_labels(element root) {
  std::vector<std::string> labels;
  simdjson::dom::object map;
  if (root["id2label"].get(map) == simdjson::SUCCESS) {
    if (map.size() == 0 || map.size() > kLabelsMax)
      return Error::bad_data("`id2label` must have 1.." + std::to_string(kLabelsMax) + " labels");
    std::vector<bool> seen(map.size());
    labels.resize(map.size());
    for (const auto field : map) {
      std::size_t id = labels.size();
      std::string_view name;
      const auto [end, failed] = std::from_chars(field.key.data(), field.key.data() + field.key.size(), id);
      if (failed != std::errc() || end != field.key.data() + field.key.size() || id >= labels.size() || seen[id] ||
          field.value.get(name) != simdjson::SUCCESS)
        return Error::bad_data("`id2label` must map \"0\" .. \"" + std::to_string(labels.size() - 1) + "\" to names");
      seen[id] = true;
      labels[id] = name;
    }
    return labels;
  }
  std::int64_t count = 2;  // what transformers takes
  if (json_has(root, "num_labels")) {
    SMIDGEN_ASSIGN(count, json_integer(root, "num_labels", 1, kLabelsMax));
  }
  for (std::int64_t i = 0; i < count; ++i) labels.push_back("LABEL_" + std::to_string(i));
  return labels;
}

Status parse_modernbert_head(element root, HeadConfig& head) {
  if (json_has(root, "classifier_pooling")) {
    SMIDGEN_ASSIGN(const std::string pooling, json_string(root, "classifier_pooling"));
    if (pooling != "cls" && pooling != "mean")
      return Error::bad_data("`classifier_pooling` must be \"cls\" or \"mean\"");
    head.mean = pooling == "mean";
  }
  if (json_has(root, "classifier_bias")) {
    SMIDGEN_ASSIGN(head.dense_bias, json_bool(root, "classifier_bias"));
  }
  if (json_has(root, "classifier_activation")) {
    SMIDGEN_ASSIGN(const std::string name, json_string(root, "classifier_activation"));
    const auto activation = activation_by_name(name);
    if (!activation)
      return Error::bad_data("`classifier_activation` \"" + name.substr(0, 64) + "\" is not supported")
          .hint("use a model with gelu, gelu_new, relu or tanh");
    head.activation = *activation;
  }
  return Ok{};
}

// The layer between body and classifier: its name, empty for none, and its activation.
struct DenseName {
  const char* name;
  Activation activation;
};

DenseName dense_name(const HeadConfig& head, Architecture architecture) {
  if (architecture == Architecture::kModernBert) return {"head.dense", head.activation};
  if (head.kind != HeadKind::kSequence) return {"", Activation::kNone};
  switch (architecture) {
    case Architecture::kBert:
      return {"bert.pooler.dense", Activation::kTanh};
    case Architecture::kDistilBert:
      return {"pre_classifier", Activation::kRelu};
    case Architecture::kRoberta:
    case Architecture::kXlmRoberta:
      return {"classifier.dense", Activation::kTanh};
    case Architecture::kElectra:
      return {"classifier.dense", Activation::kGelu};
    case Architecture::kModernBert:
      break;
  }
  return {"", Activation::kNone};
}

const char* classifier_name(const HeadConfig& head, Architecture architecture) {
  if (architecture == Architecture::kModernBert) return "classifier";
  if (head.kind == HeadKind::kQuestions) return "qa_outputs";
  const bool inside = architecture == Architecture::kRoberta || architecture == Architecture::kXlmRoberta ||
                      architecture == Architecture::kElectra;
  return head.kind == HeadKind::kSequence && inside ? "classifier.out_proj" : "classifier";
}

}  // namespace

std::string_view to_string(HeadKind kind) {
  return kind == HeadKind::kSequence ? "sequence classification"
         : kind == HeadKind::kTokens ? "token classification"
                                     : "question answering";
}

Result<HeadConfig> HeadConfig::from_json(std::string_view json, const BodyConfig& body) {
  SMIDGEN_ASSIGN(const JsonDocument document, JsonDocument::parse(json));
  HeadConfig head;
  SMIDGEN_ASSIGN(head.kind, parse_kind(document.root()));
  SMIDGEN_ASSIGN(head.labels, parse_labels(document.root()));
  if (head.kind == HeadKind::kQuestions) {
    if (head.labels.size() != 2)
      return Error::bad_data("`id2label` has " + std::to_string(head.labels.size()) +
                             " entries; question answering has two, start and end");
    head.labels = {"start", "end"};
  }
  if (body.architecture == Architecture::kModernBert) SMIDGEN_TRY(parse_modernbert_head(document.root(), head));
  return head;
}

Result<EncoderHead> EncoderHead::load(const HeadConfig& config, const BodyConfig& body, const Safetensors& file,
                                      const Kernels& kernels) {
  EncoderHead head;
  head.config_ = config;
  head.kernels_ = &kernels;
  if (const DenseName dense = dense_name(config, body.architecture); *dense.name != '\0') {
    const bool modern = body.architecture == Architecture::kModernBert;
    SMIDGEN_ASSIGN(LinearWeights weights,
                   read_linear(file, dense.name, body.hidden, body.hidden, !modern || config.dense_bias));
    head.dense_ = LinearLayer::pack(kernels, std::move(weights));
    head.activation_ = dense.activation;
    if (modern) {
      SMIDGEN_ASSIGN(NormWeights norm, read_norm(file, "head.norm", body.hidden, body.norm_bias));
      head.norm_ = Norm(kernels, std::move(norm), body.epsilon);
    }
  }
  SMIDGEN_ASSIGN(LinearWeights classifier,
                 read_linear(file, classifier_name(config, body.architecture), body.hidden, config.labels.size()));
  head.classifier_ = LinearLayer::pack(kernels, std::move(classifier));
  return head;
}

void EncoderHead::pool(const Activations& hidden, std::span<const std::size_t> lengths, Activations& pooled) const {
  const std::size_t n = hidden.width();
  pooled.resize(lengths.size(), n);
  const float* row = hidden.f32();
  float* out = pooled.f32();
  for (const std::size_t length : lengths) {
    SMIDGEN_CHECK(length > 0);
    if (config_.mean) {
      kernels_->mean_rows(row, length, n, out);
    } else {
      std::copy(row, row + n, out);
    }
    row += length * n;
    out += n;
  }
}

void EncoderHead::apply(const Activations& hidden, std::span<const std::size_t> lengths, Scratch& scratch,
                        Activations& logits) const {
  const Activations* x = &hidden;
  if (config_.kind == HeadKind::kSequence) {
    pool(hidden, lengths, scratch.pooled_);
    x = &scratch.pooled_;
  }
  if (dense_) {
    dense_->apply(*x, activation_, nullptr, scratch.dense_);
    if (norm_) norm_->apply(scratch.dense_, scratch.dense_);
    x = &scratch.dense_;
  }
  classifier_.apply(*x, Activation::kNone, nullptr, logits);
}

Result<HeadedEncoder> HeadedEncoder::load(const std::string& folder, const Kernels* kernels) {
  const std::string path = folder + "/config.json";
  const Kernels& table = kernels == nullptr ? smidgen::kernels() : *kernels;
  SMIDGEN_ASSIGN(const std::string text, read_file(path, kConfigBytesMax));
  auto body_config = BodyConfig::from_json(text);
  if (!body_config.ok()) return std::move(body_config).error().in(path);
  auto head_config = HeadConfig::from_json(text, *body_config);
  if (!head_config.ok()) return std::move(head_config).error().in(path);
  SMIDGEN_ASSIGN(const Safetensors weights, open_checkpoint(folder));
  SMIDGEN_ASSIGN(EncoderBody body, EncoderBody::load(*body_config, weights, table));
  SMIDGEN_ASSIGN(EncoderHead head, EncoderHead::load(*head_config, *body_config, weights, table));
  return HeadedEncoder(std::move(body), std::move(head));
}

Result<std::unique_ptr<Tokenizer>> load_tokenizer(const std::string& folder, const BodyConfig& body) {
  SMIDGEN_ASSIGN(std::unique_ptr<Tokenizer> tokenizer, Tokenizer::load(folder));
  if (tokenizer->vocabulary_size() > body.vocabulary)
    return Error::bad_data("the tokenizer has " + std::to_string(tokenizer->vocabulary_size()) +
                           " tokens, the encoder only " + std::to_string(body.vocabulary) + " embeddings")
        .in(folder)
        .hint("take tokenizer and weights from the same model");
  return tokenizer;
}

Status check_segments(const std::string& folder, const Tokenizer& tokenizer, const BodyConfig& body) {
  const PairTemplate* pair = tokenizer.pair_template();
  if (pair == nullptr || body.types <= 1) return Ok{};  // such an encoder takes no segments
  std::int32_t largest = std::max(pair->first_segment, pair->second_segment);
  for (const auto* place : {&pair->before, &pair->between, &pair->after})
    for (const PairTemplate::Special& special : *place) largest = std::max(largest, special.segment);
  if (static_cast<std::size_t>(largest) < body.types) return Ok{};
  return Error::bad_data("the tokenizer has segment " + std::to_string(largest) + " in a pair of texts, the encoder " +
                         std::to_string(body.types) + " segments, from 0 on")
      .in(folder)
      .hint("take tokenizer and weights from the same model");
}

void HeadedEncoder::forward(const EncoderBody::Batch& batch, Scratch& scratch) const {
  body_.forward(batch, scratch.body_);
  head_.apply(scratch.body_.output(), batch.lengths, scratch.head_, scratch.logits_);
}

}  // namespace smidgen
