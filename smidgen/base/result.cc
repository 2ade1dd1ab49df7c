#include "smidgen/base/result.h"

namespace smidgen {

std::string Error::message() const {
  std::string text;
  if (!file_.empty()) text += file_ + ":";
  if (line_) text += std::to_string(*line_) + ":";
  if (!text.empty()) text += " ";
  text += what_;
  if (offset_) text += " (byte " + std::to_string(*offset_) + ")";
  if (!hint_.empty()) text += "; " + hint_;
  return text;
}

}  // namespace smidgen
