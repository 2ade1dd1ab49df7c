// What head a model of transformers has, as its config.json says: `ask` and `run` want one each.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace smidgen {

// The entries of `architectures`; empty when config.json cannot be read or names none: loading says what is wrong.
std::vector<std::string> architectures_of(const std::string& folder);

// "BertForTokenClassification, a head for token classification; ..": for messages.
std::string heads_in_words(const std::vector<std::string>& architectures);

}  // namespace smidgen
