// Rotary positions (Su et al., "RoFormer", 2021, equation 34): a query or key of d numbers at position p is d / 2 pairs
// (x[i], x[i + d / 2]), each turned by the angle p theta^(-2 i / d). Dot products then depend on distances only.
#pragma once

#include <cstddef>
#include <vector>

namespace smidgen {

class Rotary {
 public:
  // head_dim even, >= 2. The angles are rounded to float as the reference frameworks round them, which matters more
  // than their exact value: at position 8,000 a float's last place is half a thousandth of a turn.
  Rotary(double theta, std::size_t positions, std::size_t head_dim);

  double theta() const { return theta_; }
  // Turns queries and keys of t tokens of one sequence. qkv: (t, 3 * heads * head_dim), each row query | key | value;
  // the first row stands at position `first`, first + t <= positions.
  void rotate(float* qkv, std::size_t first, std::size_t t, std::size_t heads) const;

 private:
  double theta_;
  std::size_t half_;        // head_dim / 2
  std::vector<float> cos_;  // (positions, half)
  std::vector<float> sin_;  // (positions, half)
};

}  // namespace smidgen
