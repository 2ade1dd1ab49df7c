#include "smidgen/text/tokenizer.h"

#include <filesystem>
#include <utility>

#include "smidgen/base/file.h"
#include "smidgen/base/out_of_memory.h"
#include "smidgen/text/bert_rules.h"
#include "smidgen/text/bert_tokenizer.h"
#include "smidgen/text/bpe_rules.h"
#include "smidgen/text/bpe_tokenizer.h"
#include "smidgen/text/tokenizer_config.h"
#include "smidgen/text/tokenizer_json.h"
#include "smidgen/text/unigram_rules.h"
#include "smidgen/text/unigram_tokenizer.h"

namespace smidgen {

namespace {

bool exists(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::exists(path, ignored);
}

template <class Kind, class Rules>
Result<std::unique_ptr<Tokenizer>> make(Result<Rules> rules) {
  if (!rules.ok()) return std::move(rules).error();
  return std::unique_ptr<Tokenizer>(std::make_unique<Kind>(std::move(rules).value()));
}

// An error that names a file of the folder, with the whole path.
Result<std::unique_ptr<Tokenizer>> in_folder(const std::string& folder, Result<std::unique_ptr<Tokenizer>> tokenizer) {
  if (tokenizer.ok()) return tokenizer;
  const Error& inner = tokenizer.error();
  Error error = Error(inner.kind(), inner.what()).in(folder + "/" + inner.file()).hint(inner.hint());
  if (inner.line()) error = std::move(error).at_line(*inner.line());
  return error;
}

// The `model` of a tokenizer.json. Files of 2020 have no type; the reference then takes the first model whose fields
// are all there.
Result<std::string> model_type(std::string_view json) {
  Result<JsonDocument> document = Error::internal("not parsed");
  SMIDGEN_ASSIGN(const tokenizer_json::Json root, tokenizer_json::open(json, document));
  std::string_view type;
  SMIDGEN_ASSIGN(const tokenizer_json::Json model, tokenizer_json::read_model_part(root, type));
  if (type.empty()) type = json_has(model, "merges") ? "BPE" : "WordPiece";
  return std::string(type);
}

}  // namespace

Result<std::unique_ptr<Tokenizer>> Tokenizer::from_json(std::string_view json) try {
  SMIDGEN_ASSIGN(const std::string type, model_type(json));
  if (type == "WordPiece") return make<BertTokenizer>(bert_rules_from_json(json));
  if (type == "BPE") return make<BpeTokenizer>(bpe_rules_from_json(json));
  if (type == "Unigram") return make<UnigramTokenizer>(unigram_rules_from_json(json));
  return tokenizer_json::refused(
      "model", "is " + tokenizer_json::shown(type) + "; only WordPiece, BPE and Unigram can be reproduced");
} catch (const std::bad_alloc&) {
  return out_of_memory();
}

Result<std::unique_ptr<Tokenizer>> Tokenizer::load(const std::string& folder) try {
  const std::string json_path = folder + "/tokenizer.json", words_path = folder + "/vocab.txt",
                    tokens_path = folder + "/vocab.json", merges_path = folder + "/merges.txt",
                    config_path = folder + "/tokenizer_config.json";
  std::string config;
  if (exists(config_path)) {
    SMIDGEN_ASSIGN(config, read_tokenizer_config(config_path));
  }
  if (exists(json_path)) {
    SMIDGEN_ASSIGN(const std::string json, read_file(json_path, kTokenizerFileBytesMax));
    auto tokenizer = from_json(json);
    if (!tokenizer.ok()) return std::move(tokenizer).error().in(json_path);
    if (config.empty()) return tokenizer;
    if (auto status = check_tokenizer_config(config, json); !status.ok())
      return std::move(status).error().in(config_path);
    return tokenizer;
  }
  const bool byte_level = exists(tokens_path) && exists(merges_path);
  if (!byte_level && !exists(words_path))
    return Error::no_input("no tokenizer: neither tokenizer.json nor vocab.txt, nor vocab.json with merges.txt")
        .in(folder)
        .hint("give the folder of a Hugging Face checkpoint");
  if (byte_level) {
    SMIDGEN_ASSIGN(const std::string vocabulary, read_file(tokens_path, kTokenizerFileBytesMax));
    SMIDGEN_ASSIGN(const std::string merges, read_file(merges_path, kTokenizerFileBytesMax));
    return in_folder(folder, make<BpeTokenizer>(bpe_rules_from_files(vocabulary, merges, config)));
  }
  SMIDGEN_ASSIGN(const std::string vocabulary, read_file(words_path, kTokenizerFileBytesMax));
  return in_folder(folder, make<BertTokenizer>(bert_rules_from_vocabulary(vocabulary, config)));
} catch (const std::bad_alloc&) {
  return out_of_memory();
}

}  // namespace smidgen
