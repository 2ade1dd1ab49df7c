// Encoder::load stands apart so that a program which brings its own ids links without the tokenizers.
#include <filesystem>

#include "smidgen/base/out_of_memory.h"
#include "smidgen/model/encoder.h"
#include "smidgen/model/special_tokens.h"
#include "smidgen/text/tokenizer_files.h"

namespace smidgen {

Result<Encoder> Encoder::load(const std::string& folder, const EncoderOptions& options) try {
  SMIDGEN_ASSIGN(Encoder encoder, load_body(folder, options));
  const std::string& body = encoder.config_.body_folder;
  SMIDGEN_ASSIGN(std::unique_ptr<Tokenizer> tokenizer, Tokenizer::load(body));
  if (tokenizer->vocabulary_size() > encoder.vocabulary_size())
    return Error::bad_data("the tokenizer has " + std::to_string(tokenizer->vocabulary_size()) +
                           " tokens, the encoder only " + std::to_string(encoder.vocabulary_size()) + " embeddings")
        .in(folder)
        .hint("take tokenizer and weights from the same model");
  if (const std::size_t specials = special_count(*tokenizer); encoder.tokens_max() < specials)
    return Error(options.tokens_max == 0 ? ErrorKind::kBadData : ErrorKind::kUsage,
                 "reads " + std::to_string(encoder.tokens_max()) + " tokens of a text; its tokenizer's " +
                     std::to_string(specials) + " special tokens do not fit")
        .in(folder);
  encoder.tokenizer_ = std::move(tokenizer);
  for (const char* name : kTokenizerFiles) {
    std::error_code ignored;
    if (std::filesystem::is_regular_file(std::filesystem::path(body) / name, ignored))
      encoder.config_.files.push_back(encoder.config_.body_prefix + name);
  }
  return encoder;
} catch (const std::bad_alloc&) {
  return out_of_memory();
}

}  // namespace smidgen
