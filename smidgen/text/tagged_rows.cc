#include "smidgen/text/tagged_rows.h"

#include <algorithm>
#include <map>
#include <utility>

#include "smidgen/base/file.h"
#include "smidgen/base/json.h"
#include "smidgen/base/out_of_memory.h"
#include "smidgen/base/utf8.h"

namespace smidgen {

namespace {

using simdjson::dom::array;
using simdjson::dom::element;

constexpr std::uint64_t kFileBytesMax = 1U << 30;
constexpr std::size_t kWordBytesMax = 4096, kTagBytesMax = 256, kWordsMax = 100000;
// A model's config.json names each tag twice and is read up to 4 MiB; a step of training holds a gradient of every
// tag's weights for each sequence of its batch.
constexpr std::size_t kTagsMax = 2000;
constexpr std::size_t kNumberedMin = 3;  // words 1, 2, 3 in a row are taken for numbers of words
constexpr char kNumberedHint[] = "keep the column of the words and the column of the tags only";
constexpr std::string_view kWhite = " \t\r\n\v\f";

class Reader {
 public:
  Status add_word(std::string_view word, std::string_view tag) {
    if (word.find_first_not_of(kWhite) == std::string_view::npos) return Error::bad_data("a word is empty");
    if (word.size() > kWordBytesMax)
      return Error::bad_data("a word has more than " + std::to_string(kWordBytesMax) + " bytes");
    if (tag.empty() || tag.size() > kTagBytesMax)
      return Error::bad_data("a tag must have 1.." + std::to_string(kTagBytesMax) + " bytes");
    if (row_.words.size() == kWordsMax)
      return Error::bad_data("a row of more than " + std::to_string(kWordsMax) + " words")
          .hint("put an empty line after each sentence");
    if (std::any_of(tag.begin(), tag.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }))
      return Error::bad_data("a tag has a control character");
    const auto number = static_cast<std::uint32_t>(numbers_.size());
    const auto at = numbers_.emplace(tag, number).first;
    if (numbers_.size() > kTagsMax)
      return Error::bad_data("more than " + std::to_string(kTagsMax) + " different tags")
          .hint("the last column must be the tag");
    row_.words.emplace_back(word);
    row_.tags.push_back(at->second);
    return Ok{};
  }
  // The same from a line of so many columns.
  Status add_line(std::string_view word, std::string_view tag, std::size_t columns) {
    if (row_.words.empty()) {
      columns_ = columns;
      numbered_ = 0;
    }
    if (columns != columns_)
      return Error::bad_data("has " + std::to_string(columns) + " columns, and the line before " +
                             std::to_string(columns_))
          .hint("white space parts columns, an empty line sentences; words with white space want JSON lines");
    if (numbered_ == row_.words.size() && word == std::to_string(numbered_ + 1)) ++numbered_;
    SMIDGEN_TRY(add_word(word, tag));
    if (columns > 2 && numbered_ == kNumberedMin && row_.words.size() == kNumberedMin)
      return Error::bad_data("the first column numbers the words; it must be the word").hint(kNumberedHint);
    return Ok{};
  }
  bool at_row() const { return row_.words.empty(); }  // nothing of a row was read yet
  void end_row() {
    if (!row_.words.empty()) rows_.push_back(std::exchange(row_, {}));
  }

  // Tags by name.
  Result<TaggedRows> take() && {
    end_row();
    if (rows_.empty()) return Error::bad_data("no row").hint("see docs/token_classification.md for the form");
    TaggedRows out;
    std::vector<std::uint32_t> sorted(numbers_.size());
    for (const auto& [name, number] : numbers_) {
      sorted[number] = static_cast<std::uint32_t>(out.tag_names.size());
      out.tag_names.push_back(name);
    }
    for (TaggedRow& row : rows_)
      for (std::uint32_t& tag : row.tags) tag = sorted[tag];
    out.rows = std::move(rows_);
    return out;
  }

 private:
  TaggedRow row_;
  std::vector<TaggedRow> rows_;
  std::map<std::string, std::uint32_t, std::less<>> numbers_;
  std::size_t columns_ = 0, numbered_ = 0;  // of the row's lines; how many of its words are 1, 2, 3 ..
};

Result<array> list_of(element row, const char* key, const char* other) {
  array list;
  if (row[json_has(row, key) ? key : other].get(list) != simdjson::SUCCESS)
    return Error::bad_data("`" + std::string(key) + "` must be a list of strings")
        .hint("see docs/token_classification.md for the form");
  return list;
}

Status read_json_line(std::string_view line, Reader& reader) {
  SMIDGEN_ASSIGN(const JsonDocument document, JsonDocument::parse(line));
  SMIDGEN_ASSIGN(const array words, list_of(document.root(), "tokens", "words"));
  SMIDGEN_ASSIGN(const array tags, list_of(document.root(), "tags", "ner_tags"));
  if (words.size() != tags.size())
    return Error::bad_data(std::to_string(words.size()) + " tokens and " + std::to_string(tags.size()) + " tags");
  auto tag = tags.begin();
  for (const element word : words) {
    std::string_view word_text, tag_text;
    if (word.get(word_text) != simdjson::SUCCESS) return Error::bad_data("`tokens` must be a list of strings");
    if ((*tag).get(tag_text) != simdjson::SUCCESS)
      return Error::bad_data("`tags` must be a list of strings").hint("write the tags' names, such as \"B-LOC\"");
    ++tag;
    SMIDGEN_TRY(reader.add_word(word_text, tag_text));
  }
  reader.end_row();
  return Ok{};
}

std::size_t count_columns(std::string_view line) {
  std::size_t count = 0;
  for (std::size_t at = line.find_first_not_of(kWhite); at != std::string_view::npos; ++count) {
    const std::size_t end = std::min(line.find_first_of(kWhite, at), line.size());
    at = line.find_first_not_of(kWhite, end);
  }
  return count;
}

// Ten columns with a tab between, the first 3, 3-4 (a word of several) or 3.1 (a word that is not there).
bool is_conllu_word(std::string_view line) {
  if (std::count(line.begin(), line.end(), '\t') != 9) return false;
  const std::string_view number = line.substr(0, line.find('\t'));
  return !number.empty() && number.find_first_not_of("0123456789-.") == std::string_view::npos;
}

// "# text = Lima is large", which stands before a sentence. A word "#" with its tag is none.
bool is_conllu_comment(std::string_view line) {
  return line.starts_with("# ") && line.find(" = ") != std::string_view::npos;
}

Status read_columns_line(std::string_view line, Reader& reader) {
  if (const auto wrong = first_invalid_utf8(line)) return Error::bad_data("is not UTF-8").at_byte(*wrong);
  const std::size_t begin = line.find_first_not_of(kWhite);
  if (begin == std::string_view::npos || line.starts_with("-DOCSTART-")) {
    reader.end_row();
    return Ok{};
  }
  if (is_conllu_word(line) || (reader.at_row() && is_conllu_comment(line)))
    return Error::bad_data("is a line of CoNLL-U, which numbers the words in its first column").hint(kNumberedHint);
  const std::size_t word_end = line.find_first_of(kWhite, begin), last = line.find_last_not_of(kWhite);
  if (word_end == std::string_view::npos || word_end > last)
    return Error::bad_data("a word without a tag").hint("write the word, white space and its tag");
  const std::size_t tag = line.find_last_of(kWhite, last) + 1;
  return reader.add_line(line.substr(begin, word_end - begin), line.substr(tag, last + 1 - tag), count_columns(line));
}

}  // namespace

Result<TaggedRows> parse_tagged_rows(std::string_view text, bool json) {
  text = without_byte_order_mark(text);
  Reader reader;
  std::uint64_t number = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    std::string_view line = text.substr(at, end - at);
    at = end + 1;
    ++number;
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (json && line.empty()) continue;
    Status read = json ? read_json_line(line, reader) : read_columns_line(line, reader);
    if (!read.ok()) return std::move(read).error().at_line(number);
  }
  return std::move(reader).take();
}

Result<TaggedRows> read_tagged_rows(const std::string& path) try {
  SMIDGEN_ASSIGN(const std::string text, read_file(path, kFileBytesMax));
  Result<TaggedRows> rows = parse_tagged_rows(text, path.ends_with(".jsonl") || path.ends_with(".ndjson"));
  if (!rows.ok()) return std::move(rows).error().in(path);
  return rows;
} catch (const std::bad_alloc&) {
  return out_of_memory();
}

}  // namespace smidgen
