#include "smidgen/model/tag_entities.h"

#include <string_view>

namespace smidgen {

namespace {

struct Tag {
  char place = 'O';  // B, I, E (or L), S (or U), O
  std::string_view type;
};

Tag read_tag(std::string_view tag) {
  if (tag == "O") return {};
  if (tag.size() < 2 || tag[1] != '-' || std::string_view("BIELSU").find(tag[0]) == std::string_view::npos)
    return {'I', tag};
  return {tag[0] == 'L' ? 'E' : tag[0] == 'U' ? 'S' : tag[0], tag.substr(2)};
}

}  // namespace

std::vector<Entity> entities_of(std::span<const std::string> tags) {
  std::vector<Entity> entities;
  bool open = false;  // the last entity may go on
  for (std::size_t i = 0; i < tags.size(); ++i) {
    const Tag tag = read_tag(tags[i]);
    if (tag.place == 'O') {
      open = false;
      continue;
    }
    const bool goes_on = open && (tag.place == 'I' || tag.place == 'E') && entities.back().type == tag.type;
    if (goes_on)
      entities.back().last = i;
    else
      entities.push_back({i, i, std::string(tag.type)});
    open = tag.place == 'B' || tag.place == 'I';
  }
  return entities;
}

}  // namespace smidgen
