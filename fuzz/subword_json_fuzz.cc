// Any bytes as tokenizer.json must give a byte-level BPE or Unigram tokenizer or one error, and that tokenizer must
// give any text the ids of its plain twin, with and without spans. The input is the file, then a NUL byte and the text;
// without a NUL the file's own end is the text.
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "smidgen/text/bpe_reference.h"
#include "smidgen/text/bpe_tokenizer.h"
#include "smidgen/text/unigram_reference.h"
#include "smidgen/text/unigram_tokenizer.h"

namespace {

using Ids = std::vector<std::int32_t>;

template <class Kind, class Twin, class Rules>
void compare(smidgen::Result<Rules> rules, std::string_view text) {
  if (!rules.ok()) {
    SMIDGEN_CHECK(rules.error().kind() == smidgen::ErrorKind::kBadData && !rules.error().message().empty());
    return;
  }
  const Twin twin(*rules);
  const Kind tokenizer(std::move(rules).value());
  Ids fast, slow, again, with_spans, cut, added;
  std::vector<smidgen::TextSpan> spans;
  tokenizer.encode_plain(text, fast);
  twin.encode_plain(text, slow);
  SMIDGEN_CHECK(fast == slow);
  tokenizer.encode_plain(text, again);
  tokenizer.encode_spans(text, with_spans, spans);
  SMIDGEN_CHECK(fast == again && fast == with_spans && spans.size() == fast.size());
  for (const smidgen::TextSpan& span : spans) SMIDGEN_CHECK(span.begin <= text.size() && span.end <= text.size());
  for (const std::int32_t id : fast) SMIDGEN_CHECK(!tokenizer.token(id).empty());
  constexpr std::size_t kTokensMax = 40;
  SMIDGEN_CHECK(tokenizer.encode(text, kTokensMax, cut) == tokenizer.add_special_tokens(fast, kTokensMax, added));
  SMIDGEN_CHECK(cut == added && cut.size() <= kTokensMax);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::size_t kTextBytesMax = 128;  // the twins are cubic
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::size_t nul = input.find('\0');
  std::string_view text = nul == std::string_view::npos ? input : input.substr(nul + 1);
  if (text.size() > kTextBytesMax) text.remove_prefix(text.size() - kTextBytesMax);
  const std::string_view json = input.substr(0, nul);
  compare<smidgen::BpeTokenizer, smidgen::BpeReference>(smidgen::bpe_rules_from_json(json), text);
  compare<smidgen::UnigramTokenizer, smidgen::UnigramReference>(smidgen::unigram_rules_from_json(json), text);
  return 0;
}
