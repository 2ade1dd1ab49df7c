// `ask`: the stretch of a passage that answers a question, one question or many.
#include <fmt/format.h>

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "smidgen/app/commands.h"
#include "smidgen/app/foreign_text.h"
#include "smidgen/app/models.h"
#include "smidgen/base/file.h"
#include "smidgen/base/json.h"
#include "smidgen/base/json_write.h"
#include "smidgen/base/thread_pool.h"
#include "smidgen/model/question_answering.h"
#include "smidgen/text/byte_window.h"

namespace smidgen {

namespace {

constexpr std::uint64_t kPassageBytesMax = 64U << 20;
constexpr std::uint64_t kQuestionsBytesMax = 256U << 20;

// One question and the passage it is about.
struct Asked {
  std::string question;
  std::shared_ptr<const std::string> passage;
};

// Ctrl-C ends the wait for a pipe.
Result<std::string> read_standard_input() {
  SMIDGEN_ASSIGN(const OpenedSource opened, open_byte_source("-", interrupted));
  std::string text;
  for (std::vector<char> buffer(1U << 16);;) {
    SMIDGEN_ASSIGN(const std::size_t got, opened.source->read(buffer.data(), buffer.size()));
    if (got == 0) return text;
    if (text.size() + got > kPassageBytesMax)
      return Error::bad_data("larger than the limit of " + std::to_string(kPassageBytesMax) + " bytes").in("<stdin>");
    text.append(buffer.data(), got);
  }
}

Result<std::shared_ptr<const std::string>> read_passage(const std::string& path) {
  SMIDGEN_ASSIGN(std::string text, path == "-" ? read_standard_input() : read_file(path, kPassageBytesMax));
  return std::make_shared<const std::string>(std::move(text));
}

// {"question": .., "passage": ..}; SQuAD's name of a passage is `context`. Without one: the passage of --passage.
// Questions about one passage usually follow each other: they share it.
Result<Asked> parse_question(std::string_view line, const std::shared_ptr<const std::string>& passage,
                             const std::shared_ptr<const std::string>& last) {
  SMIDGEN_ASSIGN(const JsonDocument document, JsonDocument::parse(line));
  Asked asked{{}, passage};
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

// --questions FILE: one a line, or JSON lines when the name ends so.
Status read_questions(const std::string& path, const std::shared_ptr<const std::string>& passage,
                      std::vector<Asked>& all) {
  SMIDGEN_ASSIGN(const std::string text, read_file(path, kQuestionsBytesMax));
  const bool json = path.ends_with(".jsonl") || path.ends_with(".ndjson");
  std::uint64_t number = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    std::string_view line = std::string_view(text).substr(at, end - at);
    at = end + 1;
    ++number;
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty()) continue;
    if (!json && passage == nullptr)
      return Error::usage("the questions need a passage").hint("give it with --passage FILE");
    if (!json) {
      all.push_back({std::string(line), passage});
      continue;
    }
    auto asked = parse_question(line, passage, all.empty() ? passage : all.back().passage);
    if (!asked.ok()) return std::move(asked).error().in(path).at_line(number);
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
  for (const std::string& question : options.questions) all.push_back({question, passage});
  if (!options.questions.empty() && passage == nullptr)
    return Error::usage("a question needs a passage").hint("give it with --passage FILE, - for standard input");
  if (!options.file.empty()) SMIDGEN_TRY(read_questions(options.file, passage, all));
  if (all.empty()) return Error::usage("no question").hint("give one behind the model, or --questions FILE");
  return all;
}

}  // namespace

int run_ask(const AskOptions& options, App& app) {
  const auto all = gather(options);
  if (!all.ok()) return app.fail(all.error());
  const auto folder = find_encoder(options.model);
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
      return app.fail(many ? Error(errors[i]->kind(), fmt::format("question {}: {}", i + 1, errors[i]->what()))
                                 .hint(errors[i]->hint())
                           : *errors[i]);
    }
    out += lines[i];
  }
  return finish_with(app, out);
}

}  // namespace smidgen
