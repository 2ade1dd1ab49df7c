// Sentences under keys, wrapped to the width of a terminal: how pick and show speak to people.
//
//   certified: with 95 % confidence, at least 90 % of the answers given locally are
//              right (exact binomial bound; ...
#pragma once

#include <cstddef>
#include <string>
#include <utility>

namespace smidgen {

enum class Ink { kPlain, kBold, kDim, kGood, kBad };

class Paper {
 public:
  static constexpr std::size_t kKeyWidth = 11;  // "certified: "

  // width 0: nothing is wrapped.
  Paper(bool colour, std::size_t width);

  std::string inked(Ink ink, const std::string& text) const;
  bool fits(const std::string& text) const { return width_ == 0 || columns(text) <= width_; }
  void line(const std::string& text) { out_ += text + "\n"; }
  // "key:  sentence", wrapped, with the sentence's lines below each other.
  void sentence(const std::string& key, const std::string& text, Ink ink = Ink::kPlain);
  // Code points; for the width of a terminal near enough.
  static std::size_t columns(const std::string& text);
  std::string take() { return std::move(out_); }

 private:
  bool colour_;
  std::size_t width_;
  std::string out_;
};

}  // namespace smidgen
