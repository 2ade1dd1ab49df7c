#include "smidgen/learn/question_windows.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

namespace smidgen {

namespace {

struct TokenPassage {
  std::vector<std::int32_t> ids;
  std::vector<TextSpan> spans;
};

// Tokens [first, last] of a passage.
struct TokenRange {
  std::size_t first = 0, last = 0;
};

// All tokens that share a byte with the answer.
Result<TokenRange> tokens_of(const KnownAnswer& answer, const std::vector<TextSpan>& spans) {
  TokenRange range{spans.size(), 0};
  for (std::size_t token = 0; token < spans.size(); ++token) {
    if (spans[token].end <= answer.begin_byte || spans[token].begin >= answer.end_byte) continue;
    range.first = std::min(range.first, token);
    range.last = token;
  }
  if (range.first == spans.size()) return Error::bad_data("its answer has no token").hint("correct the answer");
  return range;
}

void add_window(const EncodedPair& pair, bool types, std::uint32_t start, std::uint32_t end, SpanRows& rows) {
  rows.ids.push_back(pair.ids);
  rows.types.emplace_back();
  if (types) rows.types.back().assign(pair.segments.begin(), pair.segments.end());
  rows.starts.push_back(start);
  rows.ends.push_back(end);
}

Status add_windows(const Tokenizer& tokenizer, const QuestionRow& row, const TokenPassage& passage,
                   const WindowShape& shape, bool types, SpanRows& rows) {
  std::vector<std::int32_t> asked;
  tokenizer.encode_plain(row.question, asked);
  TokenRange answer{1, 0};
  if (!row.answers.empty()) {
    SMIDGEN_ASSIGN(answer, tokens_of(row.answers.front(), passage.spans));
  }
  EncodedPair pair;
  for (PassageWindows windows(tokenizer, asked, passage.ids, shape);;) {
    SMIDGEN_ASSIGN(const bool more, windows.next(pair));
    if (!more) return Ok{};
    const std::size_t at = windows.at();
    if (row.answers.empty() || answer.first < at || answer.last >= at + pair.second_count) {
      add_window(pair, types, 0, 0, rows);
      continue;
    }
    const std::size_t offset = pair.second_begin - at;  // modulo 2^64
    add_window(pair, types, static_cast<std::uint32_t>(answer.first + offset),
               static_cast<std::uint32_t>(answer.last + offset), rows);
  }
}

}  // namespace

Result<SpanRows> window_questions(const Tokenizer& tokenizer, const QuestionRows& questions,
                                  std::span<const std::uint32_t> which, const WindowShape& shape, bool types,
                                  ThreadPool& pool) {
  std::vector<TokenPassage> passages(questions.passages.size());
  pool.parallel_for(passages.size(), [&](std::size_t i, std::size_t) {
    tokenizer.encode_spans(questions.passages[i], passages[i].ids, passages[i].spans);
  });
  SpanRows rows;
  for (const std::uint32_t number : which) {
    const QuestionRow& row = questions.rows[number];
    if (const Status added = add_windows(tokenizer, row, passages[row.passage], shape, types, rows); !added.ok())
      return Error(added.error().kind(), "question " + std::to_string(number + 1) + ": " + added.error().what())
          .hint(added.error().hint());
  }
  return rows;
}

}  // namespace smidgen
