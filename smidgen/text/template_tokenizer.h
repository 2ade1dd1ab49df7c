// What every kind of tokenizer does with the ids of a text: special tokens around it, cutting, pairs, names. A kind
// supplies the ids of the text (encode_into) and where they stand (spans_into), both over valid UTF-8.
//
// Thread contract: immutable after construction; every function may run on any number of threads.
#pragma once

#include "smidgen/text/token_rules.h"

namespace smidgen {

class TemplateTokenizer : public Tokenizer {
 public:
  bool encode(std::string_view text, std::size_t tokens_max, std::vector<std::int32_t>& ids) const final;
  void encode_plain(std::string_view text, std::vector<std::int32_t>& ids) const final;
  void encode_spans(std::string_view text, std::vector<std::int32_t>& ids, std::vector<TextSpan>& spans) const final;
  bool add_special_tokens(std::span<const std::int32_t> plain, std::size_t tokens_max,
                          std::vector<std::int32_t>& ids) const final;
  const PairTemplate* pair_template() const final { return shared_.pair ? &*shared_.pair : nullptr; }
  std::size_t vocabulary_size() const final { return shared_.tokens.size(); }
  std::string_view token(std::int32_t id) const final;
  std::int32_t unknown_id() const final { return shared_.unknown_id; }
  bool is_special(std::int32_t id) const final;
  const std::string& fingerprint() const final { return fingerprint_; }

 protected:
  static constexpr std::size_t kNoLimit = static_cast<std::size_t>(-1);
  // One call's output.
  struct Sink {
    std::vector<std::int32_t>& ids;
    std::size_t size_stop;  // enough once ids holds this many
    bool full() const { return ids.size() >= size_stop; }
  };

  // `rules` must outlive the tokenizer: it is the kind's own member.
  TemplateTokenizer(const TokenRules& rules, std::string fingerprint)
      : shared_(rules), fingerprint_(std::move(fingerprint)) {}
  TemplateTokenizer(const TemplateTokenizer&) = delete;
  TemplateTokenizer& operator=(const TemplateTokenizer&) = delete;

  // Appends the ids of `text` (valid UTF-8); may stop once the sink is full, and may give more than that.
  virtual void encode_into(std::string_view text, Sink sink) const = 0;
  // Appends ids and spans of `text` (valid UTF-8).
  virtual void spans_into(std::string_view text, std::vector<std::int32_t>& ids,
                          std::vector<TextSpan>& spans) const = 0;

 private:
  const TokenRules& shared_;
  std::string fingerprint_;
};

}  // namespace smidgen
