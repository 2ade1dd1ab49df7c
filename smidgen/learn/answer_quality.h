// How good the answers to questions about passages are: exact match and F1 over words, as the evaluation scripts of
// SQuAD count them (Rajpurkar et al., "SQuAD: 100,000+ questions for machine comprehension of text", 2016, section 6.1;
// for questions without an answer Rajpurkar, Jia, Liang, "Know what you don't know", 2018).
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "smidgen/text/question_rows.h"

namespace smidgen {

// Lower case, without the 32 signs of ASCII punctuation and without the words a, an and the; words one space apart.
std::string normalize_answer(std::string_view text);

struct AnswerQuality {
  double exact = 0, f1 = 0;  // in [0, 1]
};

// Of one answer ("" says that the passage does not say) against those that are right (none: it does not say): the best
// over them of each. F1 of precision p and recall r over the bag of words is 2 p r / (p + r); where one side has no
// words, it is 1 if neither has.
AnswerQuality answer_quality(std::string_view answer, std::span<const KnownAnswer> right);

}  // namespace smidgen
