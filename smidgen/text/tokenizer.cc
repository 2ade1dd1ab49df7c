#include "smidgen/text/tokenizer.h"

#include <filesystem>
#include <utility>

#include "smidgen/base/file.h"
#include "smidgen/text/bert_rules.h"
#include "smidgen/text/bert_tokenizer.h"

namespace smidgen {

namespace {

constexpr std::uint64_t kConfigBytesMax = 4 << 20;

bool exists(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::exists(path, ignored);
}

Result<std::unique_ptr<Tokenizer>> make(Result<BertRules> rules) {
  if (!rules.ok()) return std::move(rules).error();
  return std::unique_ptr<Tokenizer>(std::make_unique<BertTokenizer>(std::move(rules).value()));
}

}  // namespace

Result<std::unique_ptr<Tokenizer>> Tokenizer::from_json(std::string_view json) {
  return make(bert_rules_from_json(json));
}

Result<std::unique_ptr<Tokenizer>> Tokenizer::load(const std::string& folder) {
  const std::string json_path = folder + "/tokenizer.json", vocabulary_path = folder + "/vocab.txt",
                    config_path = folder + "/tokenizer_config.json";
  if (exists(json_path)) {
    SMIDGEN_ASSIGN(const std::string json, read_file(json_path, kTokenizerFileBytesMax));
    auto tokenizer = from_json(json);
    if (!tokenizer.ok()) return std::move(tokenizer).error().in(json_path);
    return tokenizer;
  }
  if (!exists(vocabulary_path))
    return Error::no_input("no tokenizer: neither tokenizer.json nor vocab.txt")
        .in(folder)
        .hint("give the folder of a Hugging Face checkpoint");
  SMIDGEN_ASSIGN(const std::string vocabulary, read_file(vocabulary_path, kTokenizerFileBytesMax));
  std::string config;
  if (exists(config_path)) {
    SMIDGEN_ASSIGN(config, read_file(config_path, kConfigBytesMax));
    if (config.empty()) return Error::bad_data("empty file").in(config_path);
  }
  auto rules = bert_rules_from_vocabulary(vocabulary, config);
  if (!rules.ok()) {
    const std::string path = folder + "/" + rules.error().file();
    const Error& inner = rules.error();
    Error error = Error(inner.kind(), inner.what()).in(path).hint(inner.hint());
    if (inner.line()) error = std::move(error).at_line(*inner.line());
    return error;
  }
  return make(std::move(rules));
}

}  // namespace smidgen
