#include "smidgen/learn/trainable_layers.h"

#include <algorithm>
#include <utility>

#include "smidgen/model/encoder_weights.h"

namespace smidgen {

Result<Parameter> Parameter::load(const Safetensors& file, std::vector<std::string> names,
                                  std::vector<std::size_t> shape, std::size_t depth) {
  Parameter parameter;
  parameter.decays = shape.size() > 1;
  parameter.depth = depth;
  for (const std::string& name : names) {
    SMIDGEN_ASSIGN(const std::vector<float> part, file.floats(name, shape));
    parameter.value.insert(parameter.value.end(), part.begin(), part.end());
  }
  parameter.gradient.assign(parameter.size(), 0.0F);
  parameter.first.assign(parameter.size(), 0.0F);
  parameter.second.assign(parameter.size(), 0.0F);
  parameter.names = std::move(names);
  parameter.shape = std::move(shape);
  return parameter;
}

void TrainableLinear::pack(const Kernels& kernels) {
  const std::size_t there = PackedMatrix::packed_floats(kernels, in, out);
  if (!storage) storage = allocate_floats(there + PackedMatrix::packed_floats(kernels, out, in));
  forward = PackedMatrix::pack_into(storage.get(), kernels, weight.value.data(), in, out, 1, in);
  backward = PackedMatrix::pack_into(storage.get() + there, kernels, weight.value.data(), out, in, in, 1);
}

namespace {

class Reader {
 public:
  Reader(const BodyConfig& config, const Safetensors& file, const Kernels& kernels)
      : config_(config), file_(file), kernels_(kernels), names_(config, file) {}

  Result<Parameter> table(const std::string& name, std::size_t rows) const {
    return Parameter::load(file_, {name + ".weight"}, {rows, config_.hidden}, 0);
  }
  Result<TrainableNorm> norm(const std::string& name, std::size_t depth) const {
    const bool old = file_.has(name + ".gamma");
    TrainableNorm norm;
    SMIDGEN_ASSIGN(norm.gain, Parameter::load(file_, {name + (old ? ".gamma" : ".weight")}, {config_.hidden}, depth));
    SMIDGEN_ASSIGN(norm.bias, Parameter::load(file_, {name + (old ? ".beta" : ".bias")}, {config_.hidden}, depth));
    return norm;
  }
  Result<TrainableLinear> linear(const std::vector<std::string>& names, std::size_t in, std::size_t out,
                                 std::size_t depth) const {
    TrainableLinear linear;
    linear.in = in;
    linear.out = out;
    std::vector<std::string> weights, biases;
    for (const std::string& name : names) {
      weights.push_back(name + ".weight");
      biases.push_back(name + ".bias");
    }
    const std::size_t share = out / names.size();
    SMIDGEN_ASSIGN(linear.weight, Parameter::load(file_, weights, {share, in}, depth));
    SMIDGEN_ASSIGN(linear.bias, Parameter::load(file_, biases, {share}, depth));
    linear.pack(kernels_);
    return linear;
  }
  Result<TrainableLayer> layer(std::size_t number) const {
    const BodyConfig& c = config_;
    const LayerNames names = names_.layer_names(number);
    const std::size_t depth = number + 1;
    TrainableLayer layer;
    SMIDGEN_ASSIGN(layer.qkv, linear(names.qkv, c.hidden, 3 * c.hidden, depth));
    SMIDGEN_ASSIGN(layer.attention_out, linear({names.attention_out}, c.hidden, c.hidden, depth));
    SMIDGEN_ASSIGN(layer.attention_norm, norm(names.attention_norm, depth));
    SMIDGEN_ASSIGN(layer.inner, linear({names.inner}, c.hidden, c.intermediate, depth));
    SMIDGEN_ASSIGN(layer.outer, linear({names.out}, c.intermediate, c.hidden, depth));
    SMIDGEN_ASSIGN(layer.norm, norm(names.norm, depth));
    return layer;
  }
  const EncoderWeights& names() const { return names_; }

 private:
  const BodyConfig& config_;
  const Safetensors& file_;
  const Kernels& kernels_;
  EncoderWeights names_;
};

Status check_trainable(const BodyConfig& c) {
  const auto refuse = [&](const std::string& what) -> Status {
    return Error::bad_data("an encoder with " + what + " cannot be fine-tuned yet")
        .hint("use its frozen form, or a BERT, DistilBERT, RoBERTa or XLM-R encoder");
  };
  if (c.rotary() || c.gated() || c.norms_first()) return refuse("rotary positions or gated layers");
  if (c.embedding != c.hidden) return refuse("embeddings narrower than its layers");
  if (c.activation != Activation::kGelu) return refuse("another activation than GELU");
  return Ok{};
}

}  // namespace

Result<TrainableBody> TrainableBody::load(const BodyConfig& c, const Safetensors& file, const Kernels& kernels) {
  SMIDGEN_TRY(check_trainable(c));
  const Reader reader(c, file, kernels);
  const EncoderWeights& names = reader.names();
  TrainableBody body;
  SMIDGEN_ASSIGN(body.words.table, reader.table(names.words_name(), c.vocabulary));
  body.words.table.gradient = {};
  body.words.last_step.assign(c.vocabulary, 0);
  SMIDGEN_ASSIGN(body.positions, reader.table(names.positions_name(), c.position_rows));
  body.type.assign(c.hidden, 0.0F);
  if (c.types > 0) {
    SMIDGEN_ASSIGN(const std::vector<float> types, names.types());
    std::copy_n(types.begin(), c.hidden, body.type.begin());
  }
  SMIDGEN_ASSIGN(body.embedding_norm, reader.norm(names.embedding_norm_name(), 0));
  for (std::size_t i = 0; i < c.layers; ++i) {
    SMIDGEN_ASSIGN(TrainableLayer layer, reader.layer(i));
    body.layers.push_back(std::move(layer));
  }
  return body;
}

std::vector<TrainableLinear*> TrainableBody::linears() {
  std::vector<TrainableLinear*> all;
  for (TrainableLayer& layer : layers)
    for (TrainableLinear* linear : {&layer.qkv, &layer.attention_out, &layer.inner, &layer.outer})
      all.push_back(linear);
  return all;
}

std::vector<Parameter*> TrainableBody::dense() {
  std::vector<Parameter*> all = {&positions, &embedding_norm.gain, &embedding_norm.bias};
  for (TrainableLinear* linear : linears()) {
    all.push_back(&linear->weight);
    all.push_back(&linear->bias);
  }
  for (TrainableLayer& layer : layers)
    for (TrainableNorm* norm : {&layer.attention_norm, &layer.norm}) {
      all.push_back(&norm->gain);
      all.push_back(&norm->bias);
    }
  return all;
}

}  // namespace smidgen
