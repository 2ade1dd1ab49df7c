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

// c (m, n) = a (m, k) times panels (k, n) + bias + residual, which may be null.
struct Product {
  std::size_t m, k, n;
  const float *bias, *residual;
};

void multiply(const TrainingMode& mode, const Product& p, const float* a, std::size_t a_stride, const float* panels,
              float* c) {
  GemmCall call;
  call.a = a;
  call.a_stride = a_stride;
  call.panels = panels;
  call.m = p.m;
  call.n = p.n;
  call.k = p.k;
  call.bias = p.bias;
  call.residual = p.residual;
  call.residual_stride = p.n;
  call.c = c;
  call.c_stride = p.n;
  mode.kernels->gemm(call);
}

// Exactly one of c and c_bf16 is not null.
void multiply(const TrainingMode& mode, const Product& p, const std::uint16_t* a, std::size_t a_stride,
              const std::uint16_t* panels, float* c, std::uint16_t* c_bf16) {
  LowProduct call;
  call.a = a;
  call.a_stride = a_stride * sizeof(std::uint16_t);
  call.panels = panels;
  call.lines = bf16_row_bytes(p.k) / 4;
  call.bias = p.bias;
  call.m = p.m;
  call.n = p.n;
  call.residual = p.residual;
  call.residual_stride = p.n;
  call.c = c;
  call.c_bf16 = c_bf16;
  call.c_stride = c == nullptr ? row_stride<std::uint16_t>(p.n) : p.n;
  mode.kernels->encoder->bf16_product(call);
}

std::size_t low_halves(std::size_t k, std::size_t n) {
  return padded_to(n, kLowPairColumns) / kLowPanelColumns * low_panel_halves(k);
}

// Rows [first, first + count) of b (k, n), rows n apart, into its panels.
void copy_to_panels(const Kernels& kernels, const float* b, std::size_t k, std::size_t n, std::size_t first,
                    std::size_t count, float* panels) {
  const std::size_t width = kernels.panel_columns;
  for (std::size_t column = 0; column < n; column += width) {
    const std::size_t columns = std::min(width, n - column);
    float* to = panels + column * k + first * width;
    const float* from = b + first * n + column;
    for (std::size_t i = 0; i < count; ++i) std::copy_n(from + i * n, columns, to + i * width);
  }
}

}  // namespace

void TrainableLinear::pack(const TrainingMode& mode) {
  const std::size_t there = mode.bf16 ? low_halves(in, out) / 2 : PackedMatrix::packed_floats(*mode.kernels, in, out);
  const std::size_t back = mode.bf16 ? low_halves(out, in) / 2 : PackedMatrix::packed_floats(*mode.kernels, out, in);
  if (!storage) {
    storage = allocate_floats(there + back);
    std::fill_n(storage.get(), there + back, 0.0F);
  }
  if (mode.bf16) {
    low_forward = reinterpret_cast<std::uint16_t*>(storage.get());
    low_backward = reinterpret_cast<std::uint16_t*>(storage.get() + there);
    low_bias.resize(padded_to(out, kLowPairColumns));
    no_bias.assign(padded_to(in, kLowPairColumns), 0.0F);
  } else {
    forward = storage.get();
    backward = storage.get() + there;
  }
  for (std::size_t first = 0; first < out; first += kUpdateRows)
    pack_rows(mode, first, std::min(kUpdateRows, out - first));
}

void TrainableLinear::pack_rows(const TrainingMode& mode, std::size_t first, std::size_t count) {
  const float* rows = weight.value.data() + first * in;
  if (mode.bf16) {
    std::uint16_t* there = low_forward + first / kLowPanelColumns * low_panel_halves(in);
    mode.training->pack_transposed(rows, in, in, count, there, low_panel_halves(in));
    std::uint16_t* back = low_backward + first * kLowPanelColumns;
    mode.training->pack_rows(rows, in, count, in, back, low_panel_halves(out));
    std::copy_n(bias.value.begin() + static_cast<std::ptrdiff_t>(first), count,
                low_bias.begin() + static_cast<std::ptrdiff_t>(first));
    return;
  }
  const std::size_t width = mode.kernels->panel_columns;
  for (std::size_t at = first; at < first + count; at += width)
    mode.training->transpose(weight.value.data() + at * in, in, std::min(width, first + count - at), in,
                             forward + at * in, width);
  copy_to_panels(*mode.kernels, weight.value.data(), out, in, first, count, backward);
}

void TrainableLinear::apply(const TrainingMode& mode, const float* x, std::size_t rows, const float* residual,
                            float* y) const {
  multiply(mode, {rows, in, out, bias.value.data(), residual}, x, in, forward, y);
}
void TrainableLinear::apply(const TrainingMode& mode, const std::uint16_t* x, std::size_t rows, const float* residual,
                            float* y) const {
  multiply(mode, {rows, in, out, low_bias.data(), residual}, x, row_stride<std::uint16_t>(in), low_forward, y, nullptr);
}
void TrainableLinear::apply(const TrainingMode& mode, const float* x, std::size_t rows, float* y) const {
  apply(mode, x, rows, nullptr, y);
}
void TrainableLinear::apply(const TrainingMode& mode, const std::uint16_t* x, std::size_t rows,
                            std::uint16_t* y) const {
  multiply(mode, {rows, in, out, low_bias.data(), nullptr}, x, row_stride<std::uint16_t>(in), low_forward, nullptr, y);
}
void TrainableLinear::apply_back(const TrainingMode& mode, const float* d_y, std::size_t rows, const float* residual,
                                 float* d_x) const {
  multiply(mode, {rows, out, in, nullptr, residual}, d_y, out, backward, d_x);
}
void TrainableLinear::apply_back(const TrainingMode& mode, const std::uint16_t* d_y, std::size_t rows,
                                 const float* residual, float* d_x) const {
  multiply(mode, {rows, out, in, no_bias.data(), residual}, d_y, row_stride<std::uint16_t>(out), low_backward, d_x,
           nullptr);
}
void TrainableLinear::apply_back(const TrainingMode& mode, const float* d_y, std::size_t rows, float* d_x) const {
  apply_back(mode, d_y, rows, nullptr, d_x);
}
void TrainableLinear::apply_back(const TrainingMode& mode, const std::uint16_t* d_y, std::size_t rows,
                                 std::uint16_t* d_x) const {
  multiply(mode, {rows, out, in, no_bias.data(), nullptr}, d_y, row_stride<std::uint16_t>(out), low_backward, nullptr,
           d_x);
}

template <class T>
double TrainableLinear::gradient_rows(const TrainingMode& mode, const T* d_y, const T* d_y_turned, const T* panels,
                                      std::size_t tokens, std::size_t first, std::size_t count) {
  float* gradient = weight.gradient.data() + first * in;
  float* sums = bias.gradient.data() + first;
  std::fill_n(sums, count, 0.0F);
  const std::size_t stride = turned_stride<T>(tokens);
  if constexpr (sizeof(T) == sizeof(float)) {
    multiply(mode, {count, tokens, in, nullptr, nullptr}, d_y_turned, stride, panels, gradient);
    mode.training->add_rows(d_y + first, row_stride<T>(out), tokens, count, sums);
  } else {
    multiply(mode, {count, tokens, in, no_bias.data(), nullptr}, d_y_turned, stride, panels, gradient, nullptr);
    mode.training->low_add_rows(d_y + first, row_stride<T>(out), tokens, count, sums);
  }
  return mode.training->sum_of_squares(gradient, count * in) + mode.training->sum_of_squares(sums, count);
}
template double TrainableLinear::gradient_rows<float>(const TrainingMode&, const float*, const float*, const float*,
                                                      std::size_t, std::size_t, std::size_t);
template double TrainableLinear::gradient_rows<std::uint16_t>(const TrainingMode&, const std::uint16_t*,
                                                              const std::uint16_t*, const std::uint16_t*, std::size_t,
                                                              std::size_t, std::size_t);

void TrainableLinear::update_rows(const TrainingMode& mode, const AdamStep& step, std::size_t first,
                                  std::size_t count) {
  const std::size_t at = first * in;
  mode.training->adam(step, &weight.gradient[at], count * in, &weight.value[at], &weight.first[at], &weight.second[at]);
  AdamStep plain = step;
  plain.decay = 0;
  mode.training->adam(plain, &bias.gradient[first], count, &bias.value[first], &bias.first[first], &bias.second[first]);
  pack_rows(mode, first, count);
}

void turn(const TrainingMode& mode, const float* x, std::size_t stride, std::size_t tokens, std::size_t columns,
          float* out) {
  mode.training->transpose(x, stride, tokens, columns, out, turned_stride<float>(tokens));
}
void turn(const TrainingMode& mode, const std::uint16_t* x, std::size_t stride, std::size_t tokens, std::size_t columns,
          std::uint16_t* out) {
  mode.training->low_transpose(x, stride, tokens, columns, out, turned_stride<std::uint16_t>(tokens));
}

void pack_input(const TrainingMode& mode, const float* x, std::size_t tokens, std::size_t n, std::size_t first,
                std::size_t count, float* panels) {
  const std::size_t width = mode.kernels->panel_columns;
  for (std::size_t column = first; column < first + count; column += width) {
    const std::size_t columns = std::min(width, n - column);
    float* to = panels + column * tokens;
    for (std::size_t i = 0; i < tokens; ++i, to += width) {
      std::copy_n(x + i * n + column, columns, to);
      std::fill(to + columns, to + width, 0.0F);
    }
  }
}
void pack_input(const TrainingMode& mode, const std::uint16_t* x, std::size_t tokens, std::size_t n, std::size_t first,
                std::size_t count, std::uint16_t* panels) {
  mode.training->low_pack_rows(x + first, row_stride<std::uint16_t>(n), tokens, count,
                               panels + first / kLowPanelColumns * low_panel_halves(tokens), low_panel_halves(tokens));
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

}  // namespace

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

Result<TrainableBody> TrainableBody::load(const BodyConfig& c, const Safetensors& file, const TrainingMode& mode,
                                          bool types_move) {
  const Reader reader(c, file, mode);
  const EncoderWeights& names = reader.names();
  TrainableBody body;
  SMIDGEN_ASSIGN(body.words.table, reader.table(names.words_name(), c.vocabulary));
  body.words.table.gradient = {};
  body.words.last_step.assign(c.vocabulary, 0);
  SMIDGEN_ASSIGN(body.positions, reader.table(names.positions_name(), c.position_rows));
  if (c.types > 0) {
    SMIDGEN_ASSIGN(body.types, reader.table(names.types_name(), c.types));
  } else {
    body.types.value.assign(c.hidden, 0.0F);
  }
  body.types_move = types_move && c.types > 1;
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

std::vector<Parameter*> TrainableBody::others() {
  std::vector<Parameter*> all = {&positions, &embedding_norm.gain, &embedding_norm.bias};
  if (types_move) all.push_back(&types);
  for (TrainableLayer& layer : layers)
    for (TrainableNorm* norm : {&layer.attention_norm, &layer.norm}) {
      all.push_back(&norm->gain);
      all.push_back(&norm->bias);
    }
  return all;
}

std::vector<Parameter*> TrainableBody::dense() {
  std::vector<Parameter*> all = others();
  for (TrainableLinear* linear : linears()) {
    all.push_back(&linear->weight);
    all.push_back(&linear->bias);
  }
  return all;
}

}  // namespace smidgen
