#include "smidgen/app/model_heads.h"

#include "smidgen/app/foreign_text.h"
#include "smidgen/base/json.h"

namespace smidgen {

namespace {

constexpr std::uint64_t kConfigBytesMax = 4U << 20;

std::string head_in_words(const std::string& name) {
  const std::size_t at = name.rfind("For");
  if (at == std::string::npos) return name + ", an encoder without a head";
  const std::string task = name.substr(at + 3);
  return name + ", " +
         (task == "SequenceClassification" ? "a head for sequence classification"
          : task == "TokenClassification"  ? "a head for token classification"
          : task == "QuestionAnswering"    ? "a head for question answering"
                                           : "another kind of head");
}

}  // namespace

std::vector<std::string> architectures_of(const std::string& folder) {
  const auto config = JsonDocument::load(folder + "/config.json", kConfigBytesMax);
  simdjson::dom::array list;
  if (!config.ok() || config->root()["architectures"].get(list) != simdjson::SUCCESS) return {};
  std::vector<std::string> names;
  for (const auto& one : list) {
    std::string_view text;
    if (one.get(text) != simdjson::SUCCESS) return {};
    names.emplace_back(text);
  }
  return names;
}

std::string heads_in_words(const std::vector<std::string>& architectures) {
  std::string heads;
  for (const std::string& name : architectures)
    heads += (heads.empty() ? "" : "; ") + head_in_words(name.substr(0, 64));
  return for_terminal(heads, 200);
}

}  // namespace smidgen
