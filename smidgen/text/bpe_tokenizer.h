// Byte-level BPE: GPT-2's way of RoBERTa and ModernBERT (Radford et al. 2019, section 2.2).
//
// A stretch between added tokens is cut into pieces by the split pattern (split_pattern.h) as bytes, without spelling
// bytes as characters, and each piece goes through BpeModel. Normalization is skipped where nothing could change. The
// plain twin is BpeReference.
//
// Thread contract: immutable after construction; encode may run on any number of threads.
#pragma once

#include <bitset>
#include <memory>

#include "smidgen/text/bpe_model.h"
#include "smidgen/text/bpe_rules.h"
#include "smidgen/text/template_tokenizer.h"

namespace smidgen {

class BpeTokenizer final : public TemplateTokenizer {
 public:
  explicit BpeTokenizer(BpeRules rules);
  SplitPattern pattern() const { return rules_.pattern; }

 protected:
  void encode_into(std::string_view text, Sink sink) const override;
  void spans_into(std::string_view text, std::vector<std::int32_t>& ids, std::vector<TextSpan>& spans) const override;

 private:
  static constexpr char32_t kInertEnd = 0x3000;  // inert code points from here on are known as ranges
  // White space at the ends of a token, in code points.
  struct Blanks {
    std::uint32_t left = 0, right = 0;
  };
  struct SpanCall {
    std::vector<std::int32_t>& ids;
    std::vector<TextSpan>& spans;
    std::vector<Blanks> blanks = {};
  };

  bool is_normal(std::string_view text) const;
  void encode_stretch(std::string_view text, Sink& sink) const;
  void encode_pieces(std::string_view text, Sink& sink) const;
  void span_stretch(std::string_view text, std::uint32_t begin, SpanCall& call) const;
  void span_pieces(AlignedText text, SpanCall& call) const;
  void trim(std::string_view text, std::size_t start, SpanCall& call) const;
  static Blanks blanks_of(std::string_view token);

  BpeRules rules_;
  BpeModel model_;
  std::unique_ptr<const AddedTokenMatcher> raw_, normalized_;
  std::bitset<kInertEnd> inert_;
};

}  // namespace smidgen
