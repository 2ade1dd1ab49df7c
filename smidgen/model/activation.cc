#include "smidgen/model/activation.h"

#include <algorithm>
#include <cmath>

namespace smidgen {

std::optional<Activation> activation_by_name(std::string_view name) {
  if (name == "gelu" || name == "gelu_python") return Activation::kGelu;
  if (name == "gelu_new" || name == "gelu_fast" || name == "gelu_pytorch_tanh") return Activation::kGeluTanh;
  if (name == "relu") return Activation::kRelu;
  if (name == "tanh") return Activation::kTanh;
  return std::nullopt;
}

void activate(const Kernels& kernels, Activation activation, float* x, std::size_t n) {
  switch (activation) {
    case Activation::kNone:
      return;
    case Activation::kGelu:
      return kernels.gelu(x, n);
    case Activation::kGeluTanh:
      for (std::size_t i = 0; i < n; ++i) {
        constexpr float kRootOfTwoOverPi = 0.7978845608F;
        const float inner = kRootOfTwoOverPi * (x[i] + 0.044715F * x[i] * x[i] * x[i]);
        x[i] = 0.5F * x[i] * (1.0F + std::tanh(inner));
      }
      return;
    case Activation::kRelu:
      for (std::size_t i = 0; i < n; ++i) x[i] = std::max(x[i], 0.0F);
      return;
    case Activation::kTanh:
      for (std::size_t i = 0; i < n; ++i) x[i] = std::tanh(x[i]);
      return;
  }
}

}  // namespace smidgen
