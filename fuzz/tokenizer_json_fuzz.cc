// Any bytes as tokenizer.json must give a tokenizer or one error, and that tokenizer must give any text the ids of its
// plain twin. The input is the file, then a NUL byte and the text; without a NUL the file's own end is the text.
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "smidgen/text/bert_reference.h"
#include "smidgen/text/bert_tokenizer.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::size_t kTextBytesMax = 256;  // the twin is quadratic
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::size_t nul = input.find('\0');
  std::string_view text = nul == std::string_view::npos ? input : input.substr(nul + 1);
  if (text.size() > kTextBytesMax) text.remove_prefix(text.size() - kTextBytesMax);

  auto rules = smidgen::bert_rules_from_json(input.substr(0, nul));
  if (!rules.ok()) {
    SMIDGEN_CHECK(rules.error().kind() == smidgen::ErrorKind::kBadData && !rules.error().message().empty());
    return 0;
  }
  const smidgen::BertReference reference(*rules);
  const smidgen::BertTokenizer tokenizer(std::move(rules).value());
  std::vector<std::int32_t> fast, slow;
  tokenizer.encode_plain(text, fast);
  reference.encode_plain(text, slow);
  SMIDGEN_CHECK(fast == slow);
  for (const std::int32_t id : fast) SMIDGEN_CHECK(!tokenizer.token(id).empty());

  std::vector<std::int32_t> cut, added;
  constexpr std::size_t kTokensMax = 40;
  SMIDGEN_CHECK(tokenizer.encode(text, kTokensMax, cut) == tokenizer.add_special_tokens(fast, kTokensMax, added));
  SMIDGEN_CHECK(cut == added && cut.size() <= kTokensMax);
  return 0;
}
