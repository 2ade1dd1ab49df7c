// Entities in a row of tags, by the rules of the CoNLL-2000 evaluation script (Tjong Kim Sang and Buchholz,
// "Introduction to the CoNLL-2000 shared task: chunking", 2000): what `run` answers is what training was judged by.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace smidgen {

// Words [first, last] of one type.
struct Entity {
  std::size_t first = 0, last = 0;
  std::string type;
  bool operator==(const Entity&) const = default;
};

// Of one row's tags: "B-LOC", "I-LOC" (and "E-", "S-", "L-", "U-" of the schemes with more letters), "O". A tag without
// one of these letters and a dash continues a run of the same tag, and "O" belongs to none.
std::vector<Entity> entities_of(std::span<const std::string> tags);

}  // namespace smidgen
