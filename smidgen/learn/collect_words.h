// The words of a Speller (text/spelling.h): from the rows that are fitted on, the vocabulary of an encoder and, for
// texts in English, a list of words (text/english_words.h).
#pragma once

#include <memory>
#include <span>
#include <string>

#include "smidgen/text/spelling.h"
#include "smidgen/text/tokenizer.h"

namespace smidgen {

// `texts`: rows of fit and tune and no others (what a word is read as is part of what is certified). A token of the
// tokenizer is a word when it is all ASCII letters, at least two, and the tokenizer reads it, standing alone, as that
// one token. The list counts when it has more than half of the running words of three letters and more: its words are
// then known as those of the vocabulary are, only rarer. Deterministic; the order of texts does not matter.
SpellerParts collect_words(std::span<const std::string> texts, const Tokenizer& tokenizer);

// A speller of them; null for more words than a speller holds (over a million different ones), or more beginnings of
// words: rows of identifiers rather than of a language.
std::shared_ptr<const Speller> make_speller(std::span<const std::string> texts, const Tokenizer& tokenizer);

}  // namespace smidgen
