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

namespace {

constexpr std::size_t panel_halves(std::size_t k, std::size_t n) {
  return padded_to(n, kLowPairColumns) * bf16_row_bytes(k) / 2;
}

GemmCall f32_call(const float* a, std::size_t rows, const PackedMatrix& b, const float* residual, float* c) {
  GemmCall call;
  call.a = a;
  call.a_stride = b.k();
  call.panels = b.panels();
  call.m = rows;
  call.n = b.n();
  call.k = b.k();
  call.residual = residual;
  call.residual_stride = b.n();
  call.c = c;
  call.c_stride = b.n();
  return call;
}

// Rows a (rows, k) times panels (k, n) in bf16.
void low_product(const TrainingMode& mode, const float* a, std::size_t rows, std::size_t k, const std::uint16_t* panels,
                 std::size_t n, const float* bias, const float* residual, float* c, void* rows_bf16) {
  const EncoderKernels& table = *mode.kernels->encoder;
  RoundCall round;
  round.x = a;
  round.rows = rows;
  round.n = k;
  round.x_stride = k;
  round.out = static_cast<std::uint16_t*>(rows_bf16);
  round.out_stride = bf16_row_bytes(k);
  table.round(round);
  LowProduct call;
  call.a = rows_bf16;
  call.a_stride = round.out_stride;
  call.panels = panels;
  call.lines = bf16_row_bytes(k) / 4;
  call.bias = bias;
  call.m = rows;
  call.n = n;
  call.residual = residual;
  call.residual_stride = n;
  call.c = c;
  call.c_stride = n;
  table.bf16_product(call);
}

}  // namespace

void TrainableLinear::pack(const TrainingMode& mode) {
  if (mode.bf16) {
    const std::size_t there = panel_halves(in, out), back = panel_halves(out, in);
    if (!storage) storage = allocate_floats((there + back) / 2);
    auto* panels = reinterpret_cast<std::uint16_t*>(storage.get());
    mode.training->pack_transposed(weight.value.data(), in, in, out, panels);
    mode.training->pack_rows(weight.value.data(), in, out, in, panels + there);
    low_forward = panels;
    low_backward = panels + there;
    low_bias.resize(padded_to(out, kLowPairColumns));
    std::copy(bias.value.begin(), bias.value.end(), low_bias.begin());
    no_bias.assign(padded_to(in, kLowPairColumns), 0.0F);
    return;
  }
  const std::size_t there = PackedMatrix::packed_floats(*mode.kernels, in, out);
  if (!storage) storage = allocate_floats(there + PackedMatrix::packed_floats(*mode.kernels, out, in));
  forward = PackedMatrix::pack_into(storage.get(), *mode.kernels, weight.value.data(), in, out, 1, in);
  backward = PackedMatrix::pack_into(storage.get() + there, *mode.kernels, weight.value.data(), out, in, in, 1);
}

void TrainableLinear::apply(const TrainingMode& mode, const float* x, std::size_t rows, const float* residual, float* y,
                            void* rows_bf16) const {
  if (mode.bf16) return low_product(mode, x, rows, in, low_forward, out, low_bias.data(), residual, y, rows_bf16);
  GemmCall call = f32_call(x, rows, forward, residual, y);
  call.bias = bias.value.data();
  mode.kernels->gemm(call);
}

void TrainableLinear::apply_back(const TrainingMode& mode, const float* d_y, std::size_t rows, const float* residual,
                                 float* d_x, void* rows_bf16) const {
  if (mode.bf16) return low_product(mode, d_y, rows, out, low_backward, in, no_bias.data(), residual, d_x, rows_bf16);
  mode.kernels->gemm(f32_call(d_y, rows, backward, residual, d_x));
}

void TrainableLinear::gradient_strip(const TrainingMode& mode, const float* x, const float* d_y,
                                     const std::uint16_t* d_y_turned, std::size_t tokens, std::size_t first,
                                     std::size_t count, float* workspace) {
  float* gradient = weight.gradient.data() + first;
  if (mode.bf16) {
    auto* panels = reinterpret_cast<std::uint16_t*>(workspace);
    mode.training->pack_rows(x + first, in, tokens, count, panels);
    LowProduct call;
    call.a = d_y_turned;
    call.a_stride = bf16_row_bytes(tokens);
    call.panels = panels;
    call.lines = bf16_row_bytes(tokens) / 4;
    call.bias = no_bias.data();
    call.m = out;
    call.n = count;
    call.c = gradient;
    call.c_stride = in;
    mode.kernels->encoder->bf16_product(call);
  } else {
    const PackedMatrix packed = PackedMatrix::pack_into(workspace, *mode.kernels, x + first, tokens, count, in, 1);
    GemmCall call = f32_call(d_y, out, packed, nullptr, gradient);
    call.a_stride = out;
    call.a_transposed = true;
    call.c_stride = in;
    mode.kernels->gemm(call);
  }
  if (first != 0) return;
  std::fill(bias.gradient.begin(), bias.gradient.end(), 0.0F);
  mode.training->add_rows(d_y, tokens, out, bias.gradient.data());
}

namespace {

class Reader {
 public:
  Reader(const BodyConfig& config, const Safetensors& file, const TrainingMode& mode)
      : config_(config), file_(file), mode_(mode), names_(config, file) {}

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
    linear.pack(mode_);
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
  const TrainingMode& mode_;
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

Result<TrainableBody> TrainableBody::load(const BodyConfig& c, const Safetensors& file, const TrainingMode& mode) {
  SMIDGEN_TRY(check_trainable(c));
  const Reader reader(c, file, mode);
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
