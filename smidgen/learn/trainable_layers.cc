#include "smidgen/learn/trainable_layers.h"

#include <functional>
#include <numeric>
#include <utility>

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

// Names as in bert.cc: with or without the prefix `bert.`, norms with gain and bias or gamma and beta.
class Reader {
 public:
  Reader(const Safetensors& file, const Kernels& kernels)
      : file_(file), kernels_(kernels), prefix_(file.has("bert.embeddings.word_embeddings.weight") ? "bert." : "") {}

  Result<Parameter> parameter(const std::string& name, std::vector<std::size_t> shape, std::size_t depth) const {
    return Parameter::load(file_, {prefix_ + name}, std::move(shape), depth);
  }
  Result<TrainableNorm> norm(const std::string& name, std::size_t size, std::size_t depth) const {
    const bool old = file_.has(prefix_ + name + ".gamma");
    TrainableNorm norm;
    SMIDGEN_ASSIGN(norm.gain, parameter(name + (old ? ".gamma" : ".weight"), {size}, depth));
    SMIDGEN_ASSIGN(norm.bias, parameter(name + (old ? ".beta" : ".bias"), {size}, depth));
    return norm;
  }
  Result<TrainableLinear> linear(const std::vector<std::string>& names, std::size_t in, std::size_t out,
                                 std::size_t depth) const {
    TrainableLinear linear;
    linear.in = in;
    linear.out = out * names.size();
    std::vector<std::string> weights, biases;
    for (const std::string& name : names) {
      weights.push_back(prefix_ + name + ".weight");
      biases.push_back(prefix_ + name + ".bias");
    }
    SMIDGEN_ASSIGN(linear.weight, Parameter::load(file_, weights, {out, in}, depth));
    SMIDGEN_ASSIGN(linear.bias, Parameter::load(file_, biases, {out}, depth));
    linear.pack(kernels_);
    return linear;
  }
  Result<TrainableLayer> layer(std::size_t number, const BertConfig& c) const {
    const std::string name = "encoder.layer." + std::to_string(number) + ".", self = name + "attention.self.";
    const std::size_t depth = number + 1;
    TrainableLayer layer;
    SMIDGEN_ASSIGN(layer.qkv, linear({self + "query", self + "key", self + "value"}, c.hidden, c.hidden, depth));
    SMIDGEN_ASSIGN(layer.attention_out, linear({name + "attention.output.dense"}, c.hidden, c.hidden, depth));
    SMIDGEN_ASSIGN(layer.attention_norm, norm(name + "attention.output.LayerNorm", c.hidden, depth));
    SMIDGEN_ASSIGN(layer.inner, linear({name + "intermediate.dense"}, c.hidden, c.intermediate, depth));
    SMIDGEN_ASSIGN(layer.outer, linear({name + "output.dense"}, c.intermediate, c.hidden, depth));
    SMIDGEN_ASSIGN(layer.norm, norm(name + "output.LayerNorm", c.hidden, depth));
    return layer;
  }

 private:
  const Safetensors& file_;
  const Kernels& kernels_;
  std::string prefix_;
};

}  // namespace

Result<TrainableBody> TrainableBody::load(const BertConfig& c, const Safetensors& file, const Kernels& kernels) {
  const Reader reader(file, kernels);
  TrainableBody body;
  SMIDGEN_ASSIGN(body.words.table, reader.parameter("embeddings.word_embeddings.weight", {c.vocabulary, c.hidden}, 0));
  body.words.table.gradient = {};
  body.words.last_step.assign(c.vocabulary, 0);
  SMIDGEN_ASSIGN(body.positions, reader.parameter("embeddings.position_embeddings.weight", {c.positions, c.hidden}, 0));
  SMIDGEN_ASSIGN(const Parameter types,
                 reader.parameter("embeddings.token_type_embeddings.weight", {c.types, c.hidden}, 0));
  body.type.assign(types.value.begin(), types.value.begin() + static_cast<std::ptrdiff_t>(c.hidden));
  SMIDGEN_ASSIGN(body.embedding_norm, reader.norm("embeddings.LayerNorm", c.hidden, 0));
  for (std::size_t i = 0; i < c.layers; ++i) {
    SMIDGEN_ASSIGN(TrainableLayer layer, reader.layer(i, c));
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
