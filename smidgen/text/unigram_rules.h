// The rules of one Unigram tokenizer (SentencePiece; XLM-R), as its tokenizer.json states them.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "smidgen/text/aligned_text.h"
#include "smidgen/text/charsmap.h"
#include "smidgen/text/token_rules.h"

namespace smidgen {

// One step of the normalizer.
struct UnigramStep {
  enum class Kind { kCharsmap, kStrip, kJoinSpaces };
  Kind kind = Kind::kCharsmap;
  std::shared_ptr<const Charsmap> charsmap;  // kCharsmap
  bool left = false, right = false;          // kStrip: white space at these ends
  std::string content;                       // kJoinSpaces: what a run of two or more spaces becomes
};

enum class PrependScheme { kAlways, kFirst, kNever };

struct UnigramRules : TokenRules {
  std::vector<double> scores;  // of tokens[0, model_end), natural logarithms
  std::vector<UnigramStep> steps;
  bool whitespace_split = false;                   // white space separates words before Metaspace sees them
  char32_t replacement = 0x2581;                   // Metaspace: what a space becomes ..
  PrependScheme prepend = PrependScheme::kAlways;  // .. and every word, the first one, or none starts with
  bool split = true;                               // .. and where the text is cut, before each

  // SHA-256 over all of the above in a fixed order.
  std::string fingerprint() const;
};

inline constexpr std::size_t kUnigramTokenBytesMax = 512;

// Errors name the part.
Result<UnigramRules> unigram_rules_from_json(std::string_view json);

// The text of one stretch between added tokens after normalization.
std::string unigram_normalize(const UnigramRules& rules, std::string_view text);
AlignedText unigram_normalize_aligned(const UnigramRules& rules, AlignedText text, std::uint32_t begin);
// The pieces of normalized text that the model sees (WhitespaceSplit, Metaspace).
std::vector<AlignedText> unigram_pieces(const UnigramRules& rules, const AlignedText& text);

}  // namespace smidgen
