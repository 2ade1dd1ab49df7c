// A speller of any words, then damaged, and any text: refused, or the text comes back untouched or repaired to words
// of the same shape, and the same again. The file around it is safetensors_fuzz's and the bit flip test's.
//
// Input: four bytes that say what is damaged, the known words up to the first line's end, then the text.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <string>
#include <string_view>

#include "smidgen/text/spelling.h"

namespace {

using namespace smidgen;  // NOLINT(google-build-using-namespace)

SpellerParts parts_of(std::string_view words) {
  std::map<std::uint64_t, std::size_t> counts;
  SpellerParts parts;
  parts.prefixes.assign(1024, 0);
  for_each_letter_run(words, [&](std::size_t begin, std::size_t end) {
    const std::string_view word = words.substr(begin, std::min(end - begin, Speller::kLettersMax));
    for (std::size_t letters = 1; letters <= word.size(); ++letters)
      parts.set_prefix(spelling_hash(word.substr(0, letters)));
    ++counts[spelling_hash(word)];
  });
  for (const auto& [hash, count] : counts) {
    if (hash == 0) continue;
    parts.words.push_back(hash);
    parts.priors.push_back(count > 1 ? SpellerParts::prior_of(static_cast<double>(count), true) : SpellerParts::kSeen);
  }
  return parts;
}

void damage(const std::uint8_t* how, SpellerParts& parts) {
  const std::size_t at = how[1] | std::size_t{how[2]} << 8;
  const std::size_t which = how[0] % 8;
  if (which == 1) parts.prefixes[at % parts.prefixes.size()] = how[3];
  if (which == 2 && !parts.priors.empty()) parts.priors[at % parts.priors.size()] = how[3];
  if (which == 3 && !parts.words.empty()) parts.words[at % parts.words.size()] ^= std::uint64_t{how[3]} << (at % 57);
  if (which == 4) parts.prefixes.resize(at);
  if (which == 5) parts.priors.resize(at);
  if (which == 6) std::fill_n(parts.prefixes.begin(), std::min<std::size_t>(at, parts.prefixes.size()), how[3]);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 4) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 4, size - 4);
  const std::string_view words = bytes.substr(0, bytes.find('\n'));
  const std::string_view text = words.size() < bytes.size() ? bytes.substr(words.size() + 1) : std::string_view();
  SpellerParts parts = parts_of(words);
  damage(data, parts);
  const auto speller = Speller::create(parts);
  if (speller.ok() && !parts.validate().ok()) std::abort();
  if (!speller.ok()) {
    if (speller.error().message().empty()) std::abort();
    return 0;
  }
  std::string once = "untouched", again;
  const bool repaired = speller->repair(text, once);
  if (!repaired && once != "untouched") std::abort();
  if (!repaired) return 0;
  if (!speller->repair(text, again) || once != again || once == text || once.size() > 2 * text.size()) std::abort();
  return 0;
}
