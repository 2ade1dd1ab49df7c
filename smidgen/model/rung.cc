#include "smidgen/model/rung.h"

namespace smidgen {

const std::vector<std::int32_t>& TextBatch::tokens(std::size_t row, const Tokenizer& tokenizer) {
  if (entries_.empty() || fingerprint_ != tokenizer.fingerprint()) {
    fingerprint_ = tokenizer.fingerprint();
    entries_.assign(texts_.size(), {});
  }
  Entry& entry = entries_[row];
  if (!entry.done) {
    tokenizer.encode_plain(texts_[row], entry.ids);
    entry.done = true;
  }
  return entry.ids;
}

std::string_view to_string(RungKind kind) {
  switch (kind) {
    case RungKind::kLinear:
      return "linear";
    case RungKind::kStatic:
      return "static";
    case RungKind::kEncoder:
      return "encoder";
  }
  return "unknown";
}

bool Rung::goes_on_from(const Rung&) const {
  return false;
}

Status Rung::save_exit(const std::string& folder) const {
  return Error::internal("a rung without layers has no exits").in(folder);
}

Result<std::unique_ptr<Rung>> Rung::load_exit(const std::string& folder, std::size_t) const {
  return Error::bad_data("`exit_after` is for encoders").in(folder);
}

}  // namespace smidgen
