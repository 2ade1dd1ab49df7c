#include "smidgen/model/passage_windows.h"

#include <algorithm>
#include <string>

namespace smidgen {

namespace {

constexpr std::size_t kWindowDefault = 384, kStrideDefault = 128;

}  // namespace

Result<WindowShape> WindowShape::of(std::size_t window, std::size_t stride, std::size_t tokens_max) {
  WindowShape shape;
  shape.window = window == 0 ? std::min(kWindowDefault, tokens_max) : window;
  shape.usual_stride = stride == SIZE_MAX;
  shape.stride = shape.usual_stride ? std::min(kStrideDefault, shape.window / 2) : stride;
  if (shape.window > tokens_max)
    return Error::usage("a window of " + std::to_string(shape.window) + " tokens; this model reads " +
                        std::to_string(tokens_max));
  return shape;
}

Result<bool> PassageWindows::next(EncodedPair& pair) {
  if (last_) return false;
  at_ += step_;
  SMIDGEN_TRY(tokenizer_.join_pair(question_, passage_.subspan(at_), shape_.window, pair));
  // A quarter of what fits is new at least, so that no question makes a passage be read more than four times.
  if (pair.cut && shape_.usual_stride)
    shape_.stride = std::min(shape_.stride, pair.second_count - (pair.second_count + 3) / 4);
  if (pair.cut && shape_.stride >= pair.second_count)
    return Error::usage("a stride of " + std::to_string(shape_.stride) + " tokens; a window of " +
                        std::to_string(shape_.window) + " holds only " + std::to_string(pair.second_count) +
                        " of the passage beside this question")
        .hint("give a smaller stride or a larger window");
  step_ = pair.second_count - shape_.stride;
  last_ = !pair.cut;
  return true;
}

}  // namespace smidgen
