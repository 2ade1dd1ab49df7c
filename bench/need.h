// What every program here shares: an error ends it.
#pragma once

#include <fmt/format.h>

#include <cstdlib>
#include <utility>

#include "smidgen/base/result.h"

namespace smidgen {

template <class T>
T need(Result<T> result) {
  if (!result.ok()) {
    fmt::print(stderr, "{}\n", result.error().message());
    std::exit(result.error().exit_code());
  }
  return std::move(result).value();
}

}  // namespace smidgen
