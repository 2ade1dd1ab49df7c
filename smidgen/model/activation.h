// The functions between two linear layers, by the names config.json gives them.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

#include "smidgen/tensor/kernel_table.h"

namespace smidgen {

enum class Activation {
  kNone,      // x
  kGelu,      // x Phi(x), exact (Hendrycks and Gimpel 2016)
  kGeluTanh,  // their approximation, x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))
  kRelu,
  kTanh,
};

// "gelu", "gelu_python" | "gelu_new", "gelu_fast", "gelu_pytorch_tanh" | "relu" | "tanh"; others: nullopt. The names of
// one group are ways of computing one function.
std::optional<Activation> activation_by_name(std::string_view name);

// In place over n numbers.
void activate(const Kernels& kernels, Activation activation, float* x, std::size_t n);

}  // namespace smidgen
