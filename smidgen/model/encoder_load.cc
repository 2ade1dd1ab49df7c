// Encoder::load stands apart so that a program which brings its own ids links without the tokenizers.
#include <filesystem>
#include <string_view>
#include <vector>

#include "smidgen/base/out_of_memory.h"
#include "smidgen/model/encoder.h"
#include "smidgen/model/special_tokens.h"
#include "smidgen/text/tokenizer_files.h"

namespace smidgen {

namespace {

bool makes_lower_case(const Tokenizer& tokenizer) {
  const auto ids = [&](std::string_view text) {
    std::vector<std::int32_t> out;
    tokenizer.encode(text, 64, out);
    return out;
  };
  return ids("A B C D E F G H I J K L M N O P Q R S T U V W X Y Z \u00C9 \u0416") ==
         ids("a b c d e f g h i j k l m n o p q r s t u v w x y z \u00E9 \u0436");
}

}  // namespace

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
  if (encoder.config_.lower_case && !makes_lower_case(*tokenizer))
    return Error::bad_data("`do_lower_case` is true: texts in lower case before the tokenizer are not built")
        .in(folder)
        .hint("use a model whose tokenizer makes lower case");
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
