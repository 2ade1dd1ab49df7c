// What a fit aims at where labels alone do not say it: a teacher's distributions (Hinton, Vinyals, Dean, "Distilling
// the knowledge in a neural network", 2015: cross-entropy against the teacher's probabilities) and how much each row
// counts.
//
// The loss of row i is  weight_i * -sum_k share_ik log p_ik.
#pragma once

#include <vector>

#include "smidgen/text/soft_labels.h"

namespace smidgen {

struct FitTargets {
  SoftLabels soft;             // of every row; without rows: each row its own label
  std::vector<float> weights;  // of every row, >= 0; empty: all 1. Rows of weight 0 are not fitted on
};

}  // namespace smidgen
