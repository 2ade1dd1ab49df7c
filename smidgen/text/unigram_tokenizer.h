// Unigram as XLM-R has it: SentencePiece's normalization map, words by white space, a meta symbol before each, and the
// model over each word (unigram_model.h). A text is normalized and cut in one pass over its bytes each; the plain twin
// is UnigramReference.
//
// Thread contract: immutable after construction; encode may run on any number of threads.
#pragma once

#include <memory>

#include "smidgen/text/template_tokenizer.h"
#include "smidgen/text/unigram_model.h"
#include "smidgen/text/unigram_rules.h"

namespace smidgen {

class UnigramTokenizer final : public TemplateTokenizer {
 public:
  explicit UnigramTokenizer(UnigramRules rules);

 protected:
  void encode_into(std::string_view text, Sink sink) const override;
  void spans_into(std::string_view text, std::vector<std::int32_t>& ids, std::vector<TextSpan>& spans) const override;

 private:
  void encode_stretch(std::string_view text, Sink& sink) const;
  void encode_words(std::string_view text, Sink& sink) const;
  void encode_word(std::string_view word, std::string& piece, Sink& sink) const;
  void span_stretch(std::string_view text, std::uint32_t begin, std::vector<std::int32_t>& ids,
                    std::vector<TextSpan>& spans) const;

  UnigramRules rules_;
  std::string meta_;  // rules_.replacement in UTF-8
  UnigramModel model_;
  std::unique_ptr<const AddedTokenMatcher> raw_, normalized_;
};

}  // namespace smidgen
