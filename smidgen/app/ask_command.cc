// `ask`: the stretch of a passage that answers a question, one question or many.
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "smidgen/app/commands.h"
#include "smidgen/app/foreign_text.h"
#include "smidgen/app/load_data.h"
#include "smidgen/app/model_heads.h"
#include "smidgen/app/models.h"
#include "smidgen/base/crew.h"
#include "smidgen/base/file.h"
#include "smidgen/base/json.h"
#include "smidgen/base/json_write.h"
#include "smidgen/base/thread_pool.h"
#include "smidgen/base/utf8.h"
#include "smidgen/model/question_answering.h"
#include "smidgen/text/byte_window.h"
#include "smidgen/text/column_names.h"

namespace smidgen {

namespace {

constexpr std::uint64_t kPassageBytesMax = 64U << 20;
constexpr std::uint64_t kQuestionsBytesMax = 256U << 20;
constexpr char kModelWanted[] =
    "`ask` needs the folder of a model ..ForQuestionAnswering or its name in the Hugging Face cache, such as one "
    "trained "
    "on SQuAD (also by `smidgen train --task question-answering`)";

// One question and the passage it is about.
struct Asked {
  std::string question;
  std::shared_ptr<const std::string> passage;
  std::string where;       // the file that has the passage
  std::uint64_t line = 0;  // of the passage there; 0: the whole file
};

// Ctrl-C ends the wait for a pipe.
Result<std::string> read_standard_input(std::uint64_t bytes_max) {
  SMIDGEN_ASSIGN(const OpenedSource opened, open_byte_source("-", interrupted));
  std::string text;
  for (std::vector<char> buffer(1U << 16);;) {
    SMIDGEN_ASSIGN(const std::size_t got, opened.source->read(buffer.data(), buffer.size()));
    if (got == 0) return text;
    if (text.size() + got > bytes_max)
      return Error::bad_data("larger than the limit of " + std::to_string(bytes_max) + " bytes").in("<stdin>");
    text.append(buffer.data(), got);
  }
}

std::string shown(const std::string& path) {
  return path == "-" ? "<stdin>" : path;
}

Result<std::string> read_all(const std::string& path, std::uint64_t bytes_max) {
  if (path == "-") return read_standard_input(bytes_max);
  auto text = read_file(path, bytes_max);
  if (!text.ok()) return missing_file(std::move(text).error(), path);
  return text;
}

Result<std::shared_ptr<const std::string>> read_passage(const std::string& path) {
  SMIDGEN_ASSIGN(std::string text, read_all(path, kPassageBytesMax));
  return std::make_shared<const std::string>(std::move(text));
}

// {"question": .., "passage": ..}; SQuAD's name of a passage is `context`. Without one: the passage of --passage.
// Questions about one passage usually follow each other: they share it.
Result<Asked> parse_question(std::string_view line, const std::shared_ptr<const std::string>& passage,
                             const std::shared_ptr<const std::string>& last) {
  SMIDGEN_ASSIGN(const JsonDocument document, JsonDocument::parse(line));
  Asked asked{{}, passage, {}, 0};
  SMIDGEN_ASSIGN(asked.question, json_string(document.root(), "question"));
  for (const char* key : {"passage", "context"}) {
    if (!json_has(document.root(), key)) continue;
    SMIDGEN_ASSIGN(std::string own, json_string(document.root(), key, kPassageBytesMax));
    const bool shared = last != nullptr && own == *last;
    asked.passage = shared ? last : std::make_shared<const std::string>(std::move(own));
    return asked;
  }
  if (passage == nullptr)
    return Error::bad_data("a question without `passage`").hint("give the passage in the line, or with --passage FILE");
  return asked;
}

// --questions FILE: one a line, or JSON lines when the name ends so; standard input shows which.
Status read_questions(const std::string& path, const std::shared_ptr<const std::string>& passage,
                      const std::string& passage_path, std::vector<Asked>& all) {
  SMIDGEN_ASSIGN(const std::string read, read_all(path, kQuestionsBytesMax));
  const std::string_view text = without_byte_order_mark(read);
  const bool json =
      path.ends_with(".jsonl") || path.ends_with(".ndjson") || (path == "-" && trim_ascii(text).starts_with('{'));
  std::uint64_t number = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t begin = at, end = std::min(text.find('\n', at), text.size());
    std::string_view line = text.substr(at, end - at);
    at = end + 1;
    ++number;
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (trim_ascii(line).empty()) continue;
    if (const auto wrong = first_invalid_utf8(line))
      return Error::bad_data("is not UTF-8")
          .in(shown(path))
          .at_line(number)
          .at_byte(read.size() - text.size() + begin + *wrong)
          .hint("convert it to UTF-8");
    if (!json && passage == nullptr)
      return Error::usage("the questions need a passage").hint("give it with --passage FILE");
    if (!json) {
      all.push_back({std::string(line), passage, shown(passage_path), 0});
      continue;
    }
    auto asked = parse_question(line, passage, all.empty() ? passage : all.back().passage);
    if (!asked.ok()) return std::move(asked).error().in(shown(path)).at_line(number);
    const bool own = asked->passage != passage;
    asked->where = shown(own ? path : passage_path);
    asked->line = own ? number : 0;
    all.push_back(*std::move(asked));
  }
  return Ok{};
}

void append_answer(std::string& out, const PassageAnswer& answer) {
  out += fmt::format("\"answerable\":{},\"text\":", answer.answerable);
  append_json_string(out, answer.text);
  if (answer.answerable)
    out += fmt::format(",\"start\":{},\"end\":{},\"start_byte\":{},\"end_byte\":{}", answer.begin, answer.end,
                       answer.begin_byte, answer.end_byte);
  else
    out += ",\"start\":null,\"end\":null,\"start_byte\":null,\"end_byte\":null";
  out += ",\"score\":";
  append_json_number(out, answer.score);
}

std::string to_json_line(const std::string& question, const std::vector<PassageAnswer>& answers) {
  std::string out = "{\"question\":";
  append_json_string(out, question);
  out += ",";
  append_answer(out, answers.front());
  if (answers.size() > 1) {
    out += ",\"answers\":[";
    for (std::size_t i = 0; i < answers.size(); ++i) {
      out += i == 0 ? "{" : ",{";
      append_answer(out, answers[i]);
      out += "}";
    }
    out += "]";
  }
  return out + "}\n";
}

std::string to_text(const App& app, const Asked& asked, const std::vector<PassageAnswer>& answers, bool many) {
  std::string out;
  if (many) out = app.terminal.paint(Paint::kBold, for_terminal(asked.question, 200)) + "\n";
  for (const PassageAnswer& answer : answers)
    out += answer.answerable
               ? fmt::format("{}{}   score {:.4f}, characters {} to {}\n", many ? "  " : "",
                             for_terminal(answer.text, 1000), answer.score, answer.begin, answer.end)
               : fmt::format("{}{}   score {:.4f}\n", many ? "  " : "",
                             app.terminal.paint(Paint::kYellow, "(the passage does not say)"), answer.score);
  return out;
}

Result<std::vector<Asked>> gather(const AskOptions& options) {
  std::shared_ptr<const std::string> passage;
  if (!options.passage.empty()) {
    SMIDGEN_ASSIGN(passage, read_passage(options.passage));
  }
  std::vector<Asked> all;
  for (const std::string& question : options.questions) {
    if (const auto wrong = first_invalid_utf8(question))
      return Error::bad_data("the question is not UTF-8").at_byte(*wrong).hint("convert it to UTF-8");
    all.push_back({question, passage, shown(options.passage), 0});
  }
  if (!options.questions.empty() && passage == nullptr)
    return Error::usage("a question needs a passage").hint("give it with --passage FILE, - for standard input");
  if (!options.file.empty()) SMIDGEN_TRY(read_questions(options.file, passage, options.passage, all));
  if (all.empty()) return Error::usage("no question").hint("give one behind the model, or --questions FILE");
  return all;
}

// The folder of `name`, which must have the head: what else it has is better said than what is missing in its weights.
Result<std::string> find_answerer(const std::string& name) {
  auto folder = find_encoder(name);
  if (!folder.ok()) return Error(folder.error().kind(), folder.error().what()).in(name).hint(kModelWanted);
  const std::vector<std::string> names = architectures_of(*folder);
  const auto answers = [](const std::string& one) { return one.ends_with("ForQuestionAnswering"); };
  if (names.empty() || std::any_of(names.begin(), names.end(), answers)) return folder;  // load() says what is wrong
  return Error::bad_data("has no question-answering head; its config.json names " + heads_in_words(names))
      .in(*folder)
      .hint(kModelWanted);
}

// A passage that cannot be read is in a file; a window that is too small is not.
Error placed(const Error& error, const Asked& asked, std::size_t number, bool many) {
  const bool in_file = error.kind() == ErrorKind::kBadData;
  Error out = many && !in_file ? Error(error.kind(), fmt::format("question {}: {}", number, error.what())) : error;
  out = std::move(out).hint(error.hint());
  if (in_file) out = std::move(out).in(asked.where);
  return in_file && asked.line > 0 ? std::move(out).at_line(asked.line) : out;
}

}  // namespace

int run_ask(const AskOptions& options, App& app) {
  const auto all = gather(options);
  if (!all.ok()) return app.fail(all.error());
  const auto folder = find_answerer(options.model);
  if (!folder.ok()) return app.fail(folder.error());
  const auto model = QuestionAnswerer::load(*folder);
  if (!model.ok()) return app.fail(model.error());

  QuestionOptions asking;
  asking.window = options.window;
  if (options.stride) asking.stride = *options.stride;
  asking.top = options.top;
  asking.answer_tokens_max = options.answer_tokens_max;
  asking.no_answer = !options.must_answer;
  const bool many = all->size() > 1;
  std::vector<std::string> lines(all->size());
  std::vector<std::optional<Error>> errors(all->size());
  std::atomic<bool> stop = false;
  ThreadPool pool(std::min(app.threads(), all->size()));
  std::vector<QuestionAnswerer::Scratch> scratch(pool.threads());
  Crew crew(many ? 1 : std::min(app.threads(), kCoresOfPass));
  for (QuestionAnswerer::Scratch& one : scratch) one.use(&crew);
  pool.parallel_for(all->size(), [&](std::size_t i, std::size_t worker) {
    if (stop || interrupted()) return;
    const Asked& asked = (*all)[i];
    const auto answers = model->answer(asked.question, *asked.passage, asking, scratch[worker]);
    if (!answers.ok()) {
      errors[i] = answers.error();
      stop = true;
      return;
    }
    lines[i] = app.global.json ? to_json_line(asked.question, *answers) : to_text(app, asked, *answers, many);
  });
  if (interrupted()) return app.fail(Error::cancelled());
  std::string out;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (errors[i]) {
      if (const Status written = write_stdout(out); !written.ok() && !is_closed_pipe(written.error()))
        return app.fail(written.error());
      return app.fail(placed(*errors[i], (*all)[i], i + 1, many));
    }
    out += lines[i];
  }
  return finish_with(app, out);
}

}  // namespace smidgen
