// Sentences as words with a tag each: rows of token classification (named entities, parts of speech).
//
// A .jsonl or .ndjson file holds a row a line, any other a word a line in the columns of CoNLL (Tjong Kim Sang and De
// Meulder 2003): the word first, its tag last, white space between, an empty line after each sentence.
//
//   {"tokens": ["Lima", "is", "large"], "tags": ["B-LOC", "O", "O"]}
//
// `tokens` may be called `words`, `tags` `ner_tags`. Lines that begin with -DOCSTART- are not read. The columns of a
// sentence are as many on every line. CoNLL-U and other columns that begin with a word's number are refused: read so,
// the number would be the word.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "smidgen/base/result.h"

namespace smidgen {

struct TaggedRow {
  std::vector<std::string> words;
  std::vector<std::uint32_t> tags;  // of TaggedRows::tag_names, one a word
};

struct TaggedRows {
  std::vector<std::string> tag_names;  // sorted
  std::vector<TaggedRow> rows;         // of at least one word
};

// kBadData names the line that is wrong.
Result<TaggedRows> read_tagged_rows(const std::string& path);
// The same from a file's text. json: a row a line.
Result<TaggedRows> parse_tagged_rows(std::string_view text, bool json);

}  // namespace smidgen
