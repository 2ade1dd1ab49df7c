#include "smidgen/learn/question_windows.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "smidgen/learn/headed_training.h"

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

constexpr std::size_t kAskEvery = 256;  // rows between two looks at the watcher

// Only the passages that rows are about.
Result<std::vector<TokenPassage>> read_passages(const Tokenizer& tokenizer, const QuestionRows& questions,
                                                std::span<const std::uint32_t> which, ThreadPool& pool,
                                                const Watcher& watcher) {
  std::vector<std::uint32_t> wanted;
  for (const std::uint32_t row : which) wanted.push_back(questions.rows[row].passage);
  std::sort(wanted.begin(), wanted.end());
  wanted.erase(std::unique(wanted.begin(), wanted.end()), wanted.end());
  std::vector<TokenPassage> passages(questions.passages.size());
  SMIDGEN_TRY(watched_for(pool, wanted.size(), "reading passages", watcher, [&](std::size_t i, std::size_t) {
    TokenPassage& passage = passages[wanted[i]];
    tokenizer.encode_spans(questions.passages[wanted[i]], passage.ids, passage.spans);
  }));
  return passages;
}

}  // namespace

Result<SpanRows> window_questions(const Tokenizer& tokenizer, const QuestionRows& questions,
                                  std::span<const std::uint32_t> which, const WindowShape& shape, bool types,
                                  ThreadPool& pool, const Watcher& watcher) {
  SMIDGEN_ASSIGN(const std::vector<TokenPassage> passages, read_passages(tokenizer, questions, which, pool, watcher));
  SpanRows rows;
  for (std::size_t i = 0; i < which.size(); ++i) {
    if (i % kAskEvery == 0 && watcher.stop_requested()) return Error::cancelled();
    const QuestionRow& row = questions.rows[which[i]];
    if (const Status added = add_windows(tokenizer, row, passages[row.passage], shape, types, rows); !added.ok())
      return questions.at(row, added.error());
  }
  return rows;
}

Status check_questions(const Tokenizer& tokenizer, const QuestionRows& questions, std::span<const std::uint32_t> which,
                       const WindowShape& shape, const Watcher& watcher) {
  std::vector<std::int32_t> asked, passage;
  std::size_t read = SIZE_MAX;  // the passage at hand
  EncodedPair pair;
  for (std::size_t i = 0; i < which.size(); ++i) {
    if (i % kAskEvery == 0 && watcher.stop_requested()) return Error::cancelled();
    const QuestionRow& row = questions.rows[which[i]];
    asked.clear();
    tokenizer.encode_plain(row.question, asked);
    if (read != row.passage) {
      passage.clear();
      tokenizer.encode_plain(questions.passages[row.passage], passage);
      read = row.passage;
    }
    // What does not go wrong in the first window goes wrong in none: all but the last hold as much of the passage.
    PassageWindows windows(tokenizer, asked, passage, shape);
    if (const auto first = windows.next(pair); !first.ok()) return questions.at(row, first.error());
  }
  return Ok{};
}

}  // namespace smidgen
