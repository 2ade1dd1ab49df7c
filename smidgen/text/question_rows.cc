#include "smidgen/text/question_rows.h"

#include <algorithm>
#include <functional>
#include <optional>
#include <string>
#include <unordered_map>
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
constexpr std::size_t kPassageBytesMax = 16U << 20, kAnswersMax = 1000;
constexpr std::size_t kEchoBytesMax = 48;  // of a text in a message

// The start of `text`, cut between characters.
std::string quoted(std::string_view text) {
  std::size_t size = std::min(text.size(), kEchoBytesMax);
  while (size < text.size() && size > 0 && (static_cast<unsigned char>(text[size]) & 0xc0) == 0x80) --size;
  return "\"" + std::string(text.substr(0, size)) + (size < text.size() ? ".." : "") + "\"";
}

bool begins_character(char byte) {
  return (static_cast<unsigned char>(byte) & 0xc0) != 0x80;
}

// Where the code points of one valid UTF-8 text begin: looked up from the nearest of every 64th, so that many answers
// in a long passage do not each walk it from its start.
class CharacterPlaces {
 public:
  explicit CharacterPlaces(std::string_view text) {
    for (std::size_t at = 0; at < text.size(); ++at)
      if (begins_character(text[at]) && count_++ % kStep == 0) begins_.push_back(static_cast<std::uint32_t>(at));
  }
  // The byte that the code point `number` of the same text begins with; its size behind the last, none past that.
  std::optional<std::size_t> byte_of(std::string_view text, std::size_t number) const {
    if (number >= count_) return number == count_ ? std::optional(text.size()) : std::nullopt;
    std::size_t at = begins_[number / kStep];
    for (std::size_t left = number % kStep; left > 0; --left) do
        ++at;
      while (!begins_character(text[at]));
    return at;
  }

 private:
  static constexpr std::size_t kStep = 64;
  std::vector<std::uint32_t> begins_;
  std::size_t count_ = 0;
};

Result<array> list_of(element object, std::string_view key) {
  array list;
  if (object[key].get(list) != simdjson::SUCCESS)
    return Error::bad_data("`" + std::string(key) + "` must be a list").hint("see docs/questions.md for the form");
  return list;
}

// Collects rows; each passage once.
class Reader {
 public:
  explicit Reader(QuestionRows::Form form) { found_.form = form; }

  // `passage` is none where a row names its own.
  Status add_row(element row, std::optional<std::uint32_t> passage, const QuestionPlace& place) {
    QuestionRow out;
    out.place = place;
    SMIDGEN_ASSIGN(out.question, json_string(row, "question"));
    if (!passage) {
      SMIDGEN_ASSIGN(passage, add_passage(row));
    }
    out.passage = *passage;
    SMIDGEN_TRY(add_answers(row, out));
    if (json_has(row, "is_impossible")) {
      SMIDGEN_ASSIGN(const bool impossible, json_bool(row, "is_impossible"));
      if (impossible != out.answers.empty())
        return Error::bad_data(impossible ? "`is_impossible` is true, yet there is an answer"
                                          : "`is_impossible` is false, yet there is no answer")
            .hint("give an empty list of answers where the passage does not say");
    }
    found_.rows.push_back(std::move(out));
    return Ok{};
  }

  Result<std::uint32_t> add_passage(element object) {
    const char* key = json_has(object, "context") ? "context" : "passage";
    SMIDGEN_ASSIGN(std::string text, json_string(object, key, kPassageBytesMax));
    const std::size_t hash = std::hash<std::string>{}(text);
    const auto [first, last] = by_hash_.equal_range(hash);
    const auto same = std::find_if(first, last, [&](const auto& at) { return found_.passages[at.second] == text; });
    if (same != last) return same->second;
    const auto number = static_cast<std::uint32_t>(found_.passages.size());
    by_hash_.emplace(hash, number);
    found_.passages.push_back(std::move(text));
    return number;
  }

  QuestionRows take() && { return std::move(found_); }
  std::size_t size() const { return found_.rows.size(); }

 private:
  // A list of {text, answer_start}, or two lists of one length.
  Status add_answers(element row, QuestionRow& out) {
    element answers;
    if (row["answers"].get(answers) != simdjson::SUCCESS)
      return Error::bad_data("no `answers`").hint("give an empty list where the passage does not say");
    if (answers.is_array()) {
      SMIDGEN_ASSIGN(const array list, list_of(row, "answers"));
      for (const element answer : list) {
        SMIDGEN_ASSIGN(const std::string text, json_string(answer, "text", kPassageBytesMax));
        SMIDGEN_ASSIGN(const std::int64_t start, json_integer(answer, "answer_start", 0, kPassageBytesMax));
        SMIDGEN_TRY(add_answer(text, static_cast<std::size_t>(start), out));
      }
      return Ok{};
    }
    SMIDGEN_ASSIGN(const array texts, list_of(answers, "text"));
    SMIDGEN_ASSIGN(const array starts, list_of(answers, "answer_start"));
    if (texts.size() != starts.size())
      return Error::bad_data("`answers` has " + std::to_string(texts.size()) + " texts and " +
                             std::to_string(starts.size()) + " places");
    for (std::size_t i = 0; i < std::min(texts.size(), kAnswersMax + 1); ++i) {
      std::string_view text;
      std::int64_t start = 0;
      if (texts.at(i).get(text) != simdjson::SUCCESS)
        return Error::bad_data("`answers.text` must be a list of strings");
      if (starts.at(i).get(start) != simdjson::SUCCESS || start < 0)
        return Error::bad_data("`answers.answer_start` must be a list of whole numbers from 0 on");
      SMIDGEN_TRY(add_answer(text, static_cast<std::size_t>(start), out));
    }
    return Ok{};
  }

  Status add_answer(std::string_view text, std::size_t start, QuestionRow& out) {
    if (out.answers.size() == kAnswersMax)
      return Error::bad_data("more than " + std::to_string(kAnswersMax) + " answers to one question");
    const std::string_view passage = found_.passages[out.passage];
    if (text.empty())
      return Error::bad_data("an answer is empty").hint("give an empty list of answers where the passage does not say");
    if (!places_ || placed_ != out.passage) places_.emplace(passage);
    placed_ = out.passage;
    const std::optional<std::size_t> at = places_->byte_of(passage, start);
    if (!at || passage.substr(*at, text.size()) != text)
      return Error::bad_data("the answer " + quoted(text) + " does not stand at character " + std::to_string(start) +
                             " of its passage")
          .hint(
              "`answer_start` counts characters (Unicode code points) from 0, and the text is the passage's to the "
              "letter");
    out.answers.push_back(
        {std::string(text), static_cast<std::uint32_t>(*at), static_cast<std::uint32_t>(*at + text.size())});
    return Ok{};
  }

  QuestionRows found_;
  std::unordered_multimap<std::size_t, std::uint32_t> by_hash_;  // passages: their texts are not kept twice
  std::optional<CharacterPlaces> places_;                        // of the passage `placed_`
  std::uint32_t placed_ = 0;
};

std::string name_of_paragraph(const QuestionPlace& place) {
  return "data[" + std::to_string(place[0]) + "].paragraphs[" + std::to_string(place[1]) + "]";
}

std::string name_of(QuestionRows::Form form, const QuestionPlace& place) {
  if (form == QuestionRows::Form::kList) return "row " + std::to_string(place[0] + 1);
  return name_of_paragraph(place) + ".qas[" + std::to_string(place[2]) + "]";
}

Error in_row(const Error& error, const std::string& place) {
  return Error(error.kind(), place + ": " + error.what()).hint(error.hint());
}

Status read_paragraph(element paragraph, QuestionPlace place, Reader& reader) {
  const Result<std::uint32_t> passage = reader.add_passage(paragraph);
  if (!passage.ok()) return in_row(passage.error(), name_of_paragraph(place));
  const Result<array> questions = list_of(paragraph, "qas");
  if (!questions.ok()) return in_row(questions.error(), name_of_paragraph(place));
  for (const element question : *questions) {
    if (const Status added = reader.add_row(question, *passage, place); !added.ok())
      return in_row(added.error(), name_of(QuestionRows::Form::kNested, place));
    ++place[2];
  }
  return Ok{};
}

Status read_nested(element root, Reader& reader) {
  SMIDGEN_ASSIGN(const array articles, list_of(root, "data"));
  QuestionPlace place = {};
  for (const element article : articles) {
    const Result<array> paragraphs = list_of(article, "paragraphs");
    if (!paragraphs.ok()) return in_row(paragraphs.error(), "data[" + std::to_string(place[0]) + "]");
    place[1] = 0;
    for (const element paragraph : *paragraphs) {
      SMIDGEN_TRY(read_paragraph(paragraph, place, reader));
      ++place[1];
    }
    ++place[0];
  }
  return Ok{};
}

Status read_list(const array& rows, Reader& reader) {
  QuestionPlace place = {};
  for (const element row : rows) {
    if (const Status added = reader.add_row(row, std::nullopt, place); !added.ok())
      return in_row(added.error(), name_of(QuestionRows::Form::kList, place));
    ++place[0];
  }
  return Ok{};
}

Status read_lines(std::string_view text, Reader& reader) {
  QuestionPlace place = {};
  for (std::size_t at = 0; at < text.size(); ++place[0]) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    std::string_view line = text.substr(at, end - at);
    at = end + 1;
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty()) continue;
    Result<JsonDocument> document = JsonDocument::parse(line);
    if (!document.ok()) return std::move(document).error().at_line(place[0] + std::uint64_t{1});
    if (Status added = reader.add_row(document->root(), std::nullopt, place); !added.ok())
      return std::move(added).error().at_line(place[0] + std::uint64_t{1});
  }
  return Ok{};
}

Result<QuestionRows> taken(Reader reader, const Status& read) {
  SMIDGEN_TRY(read);
  if (reader.size() == 0) return Error::bad_data("no question").hint("see docs/questions.md for the form");
  return std::move(reader).take();
}

}  // namespace

Error QuestionRows::at(const QuestionRow& row, const Error& error) const {
  const auto number = static_cast<std::size_t>(&row - rows.data());
  Error out = form == Form::kLines  ? Error(error).at_line(row.place[0] + std::uint64_t{1})
              : form == Form::kMade ? in_row(error, "question " + std::to_string(number + 1))
                                    : in_row(error, name_of(form, row.place));
  return file.empty() ? out : std::move(out).in(file);
}

Result<QuestionRows> parse_question_rows(std::string_view text, bool lines) {
  text = without_byte_order_mark(text);
  if (lines) {
    Reader reader(QuestionRows::Form::kLines);
    const Status read = read_lines(text, reader);
    return taken(std::move(reader), read);
  }
  SMIDGEN_ASSIGN(const JsonDocument document, JsonDocument::parse(text));
  array rows;
  const bool list = document.root().get(rows) == simdjson::SUCCESS;
  Reader reader(list ? QuestionRows::Form::kList : QuestionRows::Form::kNested);
  const Status read = list ? read_list(rows, reader) : read_nested(document.root(), reader);
  return taken(std::move(reader), read);
}

Result<QuestionRows> read_question_rows(const std::string& path) try {
  const bool lines = path.ends_with(".jsonl") || path.ends_with(".ndjson");
  if (!lines && !path.ends_with(".json"))
    return Error::bad_data("questions are read from .json (the form of SQuAD) or .jsonl (a row a line)")
        .in(path)
        .hint("rename the file, or see docs/questions.md for the form");
  SMIDGEN_ASSIGN(const std::string text, read_file(path, kFileBytesMax));
  Result<QuestionRows> rows = parse_question_rows(text, lines);
  if (!rows.ok()) return std::move(rows).error().in(path);
  rows->file = path;
  return rows;
} catch (const std::bad_alloc&) {
  return out_of_memory();
}

}  // namespace smidgen
