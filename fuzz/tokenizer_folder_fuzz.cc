// Any bytes as the files of a tokenizer's folder must give a tokenizer that keeps the promises of its header, or one
// error that names the folder or a file in it. The input is tokenizer_config.json, then after NUL bytes vocab.txt,
// vocab.json, merges.txt and tokenizer.json; those that are missing or empty are not in the folder. Its end is the
// text.
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "smidgen/text/tokenizer.h"

namespace {

using Ids = std::vector<std::int32_t>;

void check(const smidgen::Tokenizer& tokenizer, std::string_view text) {
  constexpr std::size_t kTokensMax = 40;
  Ids plain, spanned, cut, added;
  std::vector<smidgen::TextSpan> spans;
  tokenizer.encode_plain(text, plain);
  for (const std::int32_t id : plain)
    SMIDGEN_CHECK(id >= 0 && static_cast<std::size_t>(id) < tokenizer.vocabulary_size());
  tokenizer.encode_spans(text, spanned, spans);
  SMIDGEN_CHECK(spanned == plain && spans.size() == plain.size());
  for (const smidgen::TextSpan& span : spans) SMIDGEN_CHECK(span.begin <= span.end && span.end <= text.size());
  SMIDGEN_CHECK(tokenizer.encode(text, kTokensMax, cut) == tokenizer.add_special_tokens(plain, kTokensMax, added));
  SMIDGEN_CHECK(cut == added && cut.size() <= kTokensMax);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::filesystem::path folder =
      std::filesystem::temp_directory_path() / ("smidgen_tokenizer_folder_fuzz_" + std::to_string(getpid()));
  std::filesystem::create_directories(folder);
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  std::string_view rest = input;
  for (const char* name : {"tokenizer_config.json", "vocab.txt", "vocab.json", "merges.txt", "tokenizer.json"}) {
    const std::string_view file = rest.substr(0, rest.find('\0'));
    std::filesystem::remove(folder / name);
    if (!file.empty()) std::ofstream(folder / name, std::ios::binary) << file;
    rest.remove_prefix(std::min(rest.size(), file.size() + 1));
  }
  const auto tokenizer = smidgen::Tokenizer::load(folder.string());
  if (!tokenizer.ok()) {
    SMIDGEN_CHECK(!tokenizer.error().message().empty());
    SMIDGEN_CHECK(tokenizer.error().file().find(folder.string()) == 0);
    return 0;
  }
  constexpr std::size_t kTextBytes = 256;
  check(**tokenizer, input.substr(input.size() - std::min(input.size(), kTextBytes)));
  return 0;
}
