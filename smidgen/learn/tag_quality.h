// How good tags are: entities found whole, as the CoNLL-2000 evaluation script counts them (Tjong Kim Sang and
// Buchholz, "Introduction to the CoNLL-2000 shared task: chunking", 2000): an entity is right when its first word, last
// word and type all are.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "smidgen/model/tag_entities.h"

namespace smidgen {

inline constexpr char kUntagged[] = "";  // said of a word the model does not see: wrong, and of no entity

struct TagCounts {
  std::size_t words = 0, words_right = 0, known = 0, said = 0, right = 0;  // the last three: entities

  void add(std::span<const std::string> said_tags, std::span<const std::string> known_tags);
  double accuracy() const;  // of words
  // Of entities there is nothing to tell when none is known and none said.
  bool has_entities() const { return known + said > 0; }
  double precision() const;  // 0 when none is said
  double recall() const;     // 0 when none is known
  double f1() const;         // 2 right / (known + said), 0 when there are none
};

}  // namespace smidgen
