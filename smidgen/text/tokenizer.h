// Text to token ids, identical to the reference implementation (Hugging Face tokenizers 0.23) for every input.
//
//   SMIDGEN_ASSIGN(const std::unique_ptr<Tokenizer> tokenizer, Tokenizer::load(folder));
//   std::vector<std::int32_t> ids;
//   tokenizer->encode("my card is lost", 128, ids);  // 101 2026 4003 2003 2439 102
//
// Question answering and token classification also ask where each token stands, and encode pairs:
//
//   std::vector<std::int32_t> question, passage;
//   std::vector<TextSpan> spans;
//   tokenizer->encode_plain("who lost it?", question);
//   tokenizer->encode_spans(text, passage, spans);     // text.substr(spans[i].begin, ..) is what token i stands for
//   EncodedPair pair;
//   SMIDGEN_TRY(tokenizer->join_pair(question, passage, 384, pair));  // [CLS] question [SEP] passage [SEP]
//
// How it works: docs/tokenizer.md.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "smidgen/base/result.h"

namespace smidgen {

// The bytes [begin, end) of a text.
struct TextSpan {
  std::uint32_t begin = 0, end = 0;
  bool operator==(const TextSpan&) const = default;
};

// What stands around two texts: before, first text, between, second text, after.
struct PairTemplate {
  struct Special {
    std::int32_t id = 0, segment = 0;
    bool operator==(const Special&) const = default;
  };
  std::vector<Special> before, between, after;
  std::int32_t first_segment = 0, second_segment = 1;
  std::size_t special_count() const { return before.size() + between.size() + after.size(); }
  bool operator==(const PairTemplate&) const = default;
};

struct EncodedPair {
  std::vector<std::int32_t> ids, segments;                                           // segments: the token_type_ids
  std::size_t first_begin = 0, first_count = 0, second_begin = 0, second_count = 0;  // where the two texts' ids stand
  bool cut = false;                                                                  // the end of the second was cut
};

class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  // Appends the ids of `text`, special tokens included ([CLS] .. [SEP] for BERT), at most tokens_max in all (>= the
  // special tokens, 2 for BERT), cutting on the right as the reference does. Returns true when the text was cut.
  // Thread-safe; invalid UTF-8 reads as U+FFFD.
  virtual bool encode(std::string_view text, std::size_t tokens_max, std::vector<std::int32_t>& ids) const = 0;
  // The same without special tokens and without a limit.
  virtual void encode_plain(std::string_view text, std::vector<std::int32_t>& ids) const = 0;

  // encode() from ids that encode_plain gave: adds the special tokens and cuts.
  virtual bool add_special_tokens(std::span<const std::int32_t> plain, std::size_t tokens_max,
                                  std::vector<std::int32_t>& ids) const = 0;

  // encode_plain() that also appends where each token stands in `text` (at most 4 GiB - 1), as the reference's
  // `offsets` do: spans may overlap or be empty where a step before made several tokens of one character, and leave out
  // the white space that belongs to no token. Slower than encode_plain.
  virtual void encode_spans(std::string_view text, std::vector<std::int32_t>& ids,
                            std::vector<TextSpan>& spans) const = 0;

  // Null when the tokenizer's file does not say how to put a first and then a second text together.
  virtual const PairTemplate* pair_template() const = 0;
  // Replaces `pair` by the special tokens and the plain ids of two texts, at most tokens_max in all, cutting the end of
  // the second only (the reference's `only_second`). Error kBadData: no pair template, or the first text leaves no room
  // for one token of a second text that is not empty.
  Status join_pair(std::span<const std::int32_t> first, std::span<const std::int32_t> second, std::size_t tokens_max,
                   EncodedPair& pair) const;

  virtual std::size_t vocabulary_size() const = 0;            // one more than the largest id
  virtual std::string_view token(std::int32_t id) const = 0;  // "" for an unused id
  virtual std::int32_t unknown_id() const = 0;
  virtual bool is_special(std::int32_t id) const = 0;  // [CLS], [SEP], [PAD], [UNK], [MASK] and added special tokens
  // SHA-256 over everything that decides ids: two tokenizers with equal fingerprints may share one tokenization.
  virtual const std::string& fingerprint() const = 0;

  // From a model folder: tokenizer.json, else vocab.json and merges.txt (RoBERTa), else vocab.txt (BERT), the last two
  // with tokenizer_config.json. A tokenizer this program cannot
  // reproduce exactly is refused with an error that names the part.
  static Result<std::unique_ptr<Tokenizer>> load(const std::string& folder);
  // The same from the text of a tokenizer.json.
  static Result<std::unique_ptr<Tokenizer>> from_json(std::string_view json);
};

}  // namespace smidgen
