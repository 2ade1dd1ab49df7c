#include "smidgen/text/question_rows.h"

#include <algorithm>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>

#include "smidgen/base/file.h"
#include "smidgen/base/json.h"
#include "smidgen/base/out_of_memory.h"

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

// The byte that the code point `number` of valid UTF-8 begins with; none past the end.
std::optional<std::size_t> byte_of(std::string_view text, std::size_t number) {
  for (std::size_t at = 0; at < text.size(); ++at) {
    if ((static_cast<unsigned char>(text[at]) & 0xc0) == 0x80) continue;
    if (number-- == 0) return at;
  }
  return number == 0 ? std::optional(text.size()) : std::nullopt;
}

Result<array> list_of(element object, std::string_view key) {
  array list;
  if (object[key].get(list) != simdjson::SUCCESS)
    return Error::bad_data("`" + std::string(key) + "` must be a list").hint("see docs/questions.md for the form");
  return list;
}

// Collects rows; each passage once.
class Reader {
 public:
  // `passage` is none where a row names its own.
  Status add_row(element row, std::optional<std::uint32_t> passage) {
    QuestionRow out;
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
    const auto number = static_cast<std::uint32_t>(found_.passages.size());
    const auto [at, is_new] = numbers_.emplace(text, number);
    if (is_new) found_.passages.push_back(std::move(text));
    return at->second;
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

  Status add_answer(std::string_view text, std::size_t start, QuestionRow& out) const {
    if (out.answers.size() == kAnswersMax)
      return Error::bad_data("more than " + std::to_string(kAnswersMax) + " answers to one question");
    const std::string_view passage = found_.passages[out.passage];
    if (text.empty())
      return Error::bad_data("an answer is empty").hint("give an empty list of answers where the passage does not say");
    const std::optional<std::size_t> at = byte_of(passage, start);
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
  std::unordered_map<std::string, std::uint32_t> numbers_;
};

Error in_row(const Error& error, const std::string& place) {
  return Error(error.kind(), place + ": " + error.what()).hint(error.hint());
}

Status read_paragraph(element paragraph, const std::string& place, Reader& reader) {
  const Result<std::uint32_t> passage = reader.add_passage(paragraph);
  if (!passage.ok()) return in_row(passage.error(), place);
  const Result<array> questions = list_of(paragraph, "qas");
  if (!questions.ok()) return in_row(questions.error(), place);
  std::size_t number = 0;
  for (const element question : *questions) {
    if (const Status added = reader.add_row(question, *passage); !added.ok())
      return in_row(added.error(), place + ".qas[" + std::to_string(number) + "]");
    ++number;
  }
  return Ok{};
}

Status read_nested(element root, Reader& reader) {
  SMIDGEN_ASSIGN(const array articles, list_of(root, "data"));
  std::size_t article_number = 0;
  for (const element article : articles) {
    const std::string place = "data[" + std::to_string(article_number++) + "]";
    const Result<array> paragraphs = list_of(article, "paragraphs");
    if (!paragraphs.ok()) return in_row(paragraphs.error(), place);
    std::size_t number = 0;
    for (const element paragraph : *paragraphs)
      SMIDGEN_TRY(read_paragraph(paragraph, place + ".paragraphs[" + std::to_string(number++) + "]", reader));
  }
  return Ok{};
}

Status read_document(std::string_view text, Reader& reader) {
  SMIDGEN_ASSIGN(const JsonDocument document, JsonDocument::parse(text));
  array rows;
  if (document.root().get(rows) != simdjson::SUCCESS) return read_nested(document.root(), reader);
  std::size_t number = 0;
  for (const element row : rows) {
    if (const Status added = reader.add_row(row, std::nullopt); !added.ok())
      return in_row(added.error(), "row " + std::to_string(number + 1));
    ++number;
  }
  return Ok{};
}

Status read_lines(std::string_view text, Reader& reader) {
  std::uint64_t number = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    std::string_view line = text.substr(at, end - at);
    at = end + 1;
    ++number;
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty()) continue;
    Result<JsonDocument> document = JsonDocument::parse(line);
    if (!document.ok()) return std::move(document).error().at_line(number);
    if (Status added = reader.add_row(document->root(), std::nullopt); !added.ok())
      return std::move(added).error().at_line(number);
  }
  return Ok{};
}

}  // namespace

Result<QuestionRows> parse_question_rows(std::string_view text, bool lines) {
  Reader reader;
  SMIDGEN_TRY(lines ? read_lines(text, reader) : read_document(text, reader));
  if (reader.size() == 0) return Error::bad_data("no question").hint("see docs/questions.md for the form");
  return std::move(reader).take();
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
  return rows;
} catch (const std::bad_alloc&) {
  return out_of_memory();
}

}  // namespace smidgen
