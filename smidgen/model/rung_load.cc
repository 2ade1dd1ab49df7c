// load_rung: which class reads which kind of folder.
#include <utility>

#include "smidgen/base/out_of_memory.h"
#include "smidgen/model/encoder_rung.h"
#include "smidgen/model/linear.h"
#include "smidgen/model/rung.h"
#include "smidgen/model/static.h"

namespace smidgen {

namespace {

template <class Loaded>
Result<std::unique_ptr<Rung>> as_rung(Result<std::unique_ptr<Loaded>> loaded) {
  if (!loaded.ok()) return std::move(loaded).error();
  return std::unique_ptr<Rung>(std::move(*loaded));
}

}  // namespace

Result<std::unique_ptr<Rung>> load_rung(RungKind kind, const std::string& folder, std::size_t labels,
                                        std::size_t tokens_max, Precision precision) try {
  switch (kind) {
    case RungKind::kLinear:
      return as_rung(LinearRung::load(folder, labels));
    case RungKind::kEncoder:
      return as_rung(EncoderRung::load(folder, labels, tokens_max, precision));
    case RungKind::kStatic:
      return as_rung(StaticRung::load(folder, labels));
  }
  return Error::internal("unknown kind of rung").in(folder);
} catch (const std::bad_alloc&) {
  return out_of_memory();
}

}  // namespace smidgen
