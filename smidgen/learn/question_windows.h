// Questions about passages as what an encoder learns from: the windows that `ask` reads (model/passage_windows.h), each
// with the tokens the answer begins and ends with. A window that does not hold all of the answer says "not here", as do
// all windows of a passage without one.
#pragma once

#include <cstdint>
#include <span>

#include "smidgen/base/progress.h"
#include "smidgen/base/result.h"
#include "smidgen/base/thread_pool.h"
#include "smidgen/learn/fine_tune_tokens.h"
#include "smidgen/model/passage_windows.h"
#include "smidgen/text/question_rows.h"
#include "smidgen/text/tokenizer.h"

namespace smidgen {

// Of the rows `which`, in their order; the first of a row's answers counts, as in BERT's own training. types: the
// encoder has more than one token type. kBadData, naming the question: it leaves no room for the passage, or its answer
// has no token.
Result<SpanRows> window_questions(const Tokenizer& tokenizer, const QuestionRows& questions,
                                  std::span<const std::uint32_t> which, const WindowShape& shape, bool types,
                                  ThreadPool& pool, const Watcher& watcher);

// The same errors for rows that are only to be asked: none of them is first met when the model is judged.
Status check_questions(const Tokenizer& tokenizer, const QuestionRows& questions, std::span<const std::uint32_t> which,
                       const WindowShape& shape, const Watcher& watcher);

}  // namespace smidgen
