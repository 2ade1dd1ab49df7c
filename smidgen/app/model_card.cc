#include "smidgen/app/model_card.h"

#include <fmt/format.h>

#include <algorithm>

#include "smidgen/app/figures.h"
#include "smidgen/app/foreign_text.h"
#include "smidgen/base/json_write.h"
#include "smidgen/base/shell_word.h"
#include "smidgen/learn/refusal.h"

namespace smidgen {

namespace {

constexpr std::size_t kLabelsListed = 200;

std::string title_of(const PickReport& report) {
  if (!report.bundle.empty()) return base_name(report.bundle);
  return report.data_path.empty() ? "smidgen bundle" : base_name(report.data_path);
}

std::string sentences(const std::vector<std::string>& texts) {
  std::string out;
  for (const auto& text : texts) out += "- " + for_markdown(text, 1000) + "\n";
  return out;
}

// A YAML double-quoted scalar is a JSON string.
std::string yaml_string(const std::string& text) {
  std::string out;
  append_json_string(out, text);
  return out;
}

// What model hubs read: the fields of the Hugging Face model card, `model-index` with what was measured on held-out
// rows.
std::string front_matter(const PickReport& report) {
  std::string out =
      "---\npipeline_tag: text-classification\nlibrary_name: smidgen\ntags:\n- smidgen\n- text-classification\n"
      "metrics:\n- accuracy\n- f1\n";
  const auto chosen =
      std::find_if(report.rows.begin(), report.rows.end(), [](const PickRow& row) { return row.chosen; });
  // A hub would show agreement with a model as accuracy.
  if (chosen == report.rows.end() || !report.labels_from.empty()) return out + "---\n\n";
  out += fmt::format(
      "model-index:\n- name: {}\n  results:\n  - task:\n      type: text-classification\n    dataset:\n      name: {}\n"
      "      type: local\n    metrics:\n    - type: accuracy\n      value: {}\n    - type: f1\n      name: macro-F1\n"
      "      value: {}\n",
      yaml_string(title_of(report)), yaml_string(base_name(report.data_path)), rounded_down(chosen->accuracy, 3),
      rounded_down(chosen->macro_f1, 3));
  return out + "---\n\n";
}

std::string introduction(const PickReport& report) {
  const std::string title = title_of(report);
  const std::string folder = shell_word(report.bundle.empty() ? "BUNDLE" : base_name(report.bundle));
  const bool code_safe = folder.find_first_of("`\n\r") == std::string::npos;
  std::string out = fmt::format(
      "# {}\n\nSorts texts into {}. Policy: {}. A row that no rung is sure about is marked `escalated`: "
      "send it to a large model or to a person.\n\n",
      for_markdown(title), counted(report.data.labels.size(), "label", "labels"),
      report.policy.empty() ? "none" : for_markdown(report.policy, 200));
  out += report.certified ? "**Certified**; the statement and its assumptions are below.\n\n"
                          : "**Not certified.** Nothing is promised about its accuracy on new rows.\n\n";
  const std::string name = code_safe ? folder : "BUNDLE";
  out += fmt::format(
      "## Run it\n\n    smidgen run {0} --text \"...\"\n    smidgen run {0} new.jsonl > answers.jsonl\n"
      "    smidgen show {0}\n\n",
      name);
  return out;
}

std::string data_section(const PickReport& report) {
  const DataReport& data = report.data;
  std::string out =
      fmt::format("## Data\n\n{}, SHA-256 `{}`: {}, {}, {:.0f} words a row (median).\n\n",
                  for_markdown(base_name(report.data_path)), for_markdown(report.data_sha256),
                  counted(data.rows, "row", "rows"), counted(data.labels.size(), "label", "labels"), data.words_p50);
  if (data.rows_repeated > 0 || data.rows_conflicting > 0) {
    out += fmt::format("{} repeat an earlier text; {} carry a text that also stands under another label.\n\n",
                       counted(data.rows_repeated, "row", "rows"), with_thousands(data.rows_conflicting));
  }
  out += fmt::format(
      "Divided by {}: fit {}, tune {}, certify {} rows{} (one of each). Nothing but the measurements below used the "
      "last "
      "part.\n\n",
      for_markdown(report.unit, 200), with_thousands(report.rows_fit), with_thousands(report.rows_tune),
      with_thousands(report.rows_certify),
      report.certify_path.empty() ? "" : " of " + for_markdown(base_name(report.certify_path)));
  out += "| label | rows |\n|---|---:|\n";
  for (std::size_t i = 0; i < std::min(data.labels.size(), kLabelsListed); ++i)
    out += fmt::format("| {} | {} |\n", for_markdown(data.labels[i].label), with_thousands(data.labels[i].rows));
  if (data.labels.size() > kLabelsListed)
    out += fmt::format("| and {} more | |\n", with_thousands(data.labels.size() - kLabelsListed));
  return out + "\n";
}

std::string measured_section(const PickReport& report) {
  std::string out = fmt::format(
      "## Measured\n\nOn {}, as if every one were answered locally. Times: one row at a time, one thread of {}.\n\n"
      "| rung | {} | 95 % interval | macro-F1 | p50 | p99 | size | memory |\n"
      "|---|---:|---:|---:|---:|---:|---:|---:|\n",
      counted(report.units_certify, "held-out row", "held-out rows"), for_markdown(report.machine, 200),
      report.labels_from.empty() ? "accuracy" : "agreement with " + for_markdown(report.labels_from, 200));
  for (const auto& row : report.rows) {
    out += fmt::format("| {}{}{} | {} | {} .. {} | {} | {} | {} | {} | {} |\n", for_markdown(row.name),
                       row.blended ? ", blended" : "", row.chosen ? " (chosen)" : "", rounded_down(row.accuracy, 3),
                       rounded_down(row.accuracy_low, 3), rounded_up(row.accuracy_high, 3),
                       rounded_down(row.macro_f1, 3), microseconds(row.us_p50), microseconds(row.us_p99),
                       byte_size(row.bytes), row.memory_mb > 0 ? fmt::format("{:.0f} MB", row.memory_mb) : "-");
  }
  if (!report.policy.empty()) {
    out += fmt::format("\nThe policy answers {} of these rows locally, {} of them right.\n",
                       answered_percent(report.coverage), rounded_down(report.selective_accuracy, 3));
  }
  return out + "\n";
}

std::string certificate_section(const PickReport& report) {
  std::string out = "## Certificate\n\n";
  if (!report.certified || !report.certificate) {
    out += "None.";
    if (report.refusal) out += " " + for_markdown(report.refusal->reason, 1000);
    return out + "\n\n";
  }
  const Certificate& proof = *report.certificate;
  out += for_markdown(proof.statement, 4000) + "\n\n";
  out += fmt::format(
      "Method: {}. Units {}, answered locally {}, wrong {}{}, p-value {}, lower bound {}; attempts on this split: "
      "{}. "
      "`certificate.json` has every figure.\n\n",
      for_markdown(proof.method, 400), with_thousands(proof.n_units), with_thousands(proof.n_answered),
      with_thousands(proof.errors), proof.risk == "all" ? " of all, the large model's answers counted in" : "",
      p_in_words(proof.p_value), rounded_down(proof.lower_bound, 4), with_thousands(proof.attempts));
  for (const auto& target : proof.targets) {
    out +=
        fmt::format("- {} of {}: at least {} ({} of {} here)\n", for_markdown(target.kind), for_markdown(target.label),
                    level_percent(target.target), with_thousands(target.hits), with_thousands(target.n));
  }
  if (!proof.targets.empty()) out += "\n";
  if (!proof.assumptions.empty()) out += "It holds under these assumptions:\n\n" + sentences(proof.assumptions) + "\n";
  if (!proof.not_claimed.empty()) out += "Not claimed:\n\n" + sentences(proof.not_claimed) + "\n";
  return out;
}

std::string limits_section(const PickReport& report) {
  std::string out = "## Limits\n\n";
  out +=
      "- The figures hold for rows like those it was measured on. Other sources, languages or times: measure again "
      "(`smidgen eval`).\n";
  out += "- It knows only the labels above; a text that fits none of them may still get one.\n";
  if (report.tokens_max > 0)
    out += fmt::format("- The encoder reads the first {} tokens of a text; {} of the held-out rows were longer.\n",
                       with_thousands(report.tokens_max), with_thousands(report.rows_cut));
  if (report.repairs_typos)
    out +=
        "- Words that do not stand in the rows it was fitted on may be read as the known word they are most likely a "
        "slip of the keyboard of; all figures here are of it so reading.\n";
  if (!report.labels_too_few.empty()) {
    out += "- Too few rows to measure:";
    for (std::size_t i = 0; i < std::min(report.labels_too_few.size(), kLabelsListed); ++i)
      out += (i == 0 ? " " : ", ") + for_markdown(report.labels_too_few[i]);
    out += ".\n";
  }
  return out + sentences(report.notes) + fmt::format("\nMade by smidgen {}.\n", for_markdown(report.version));
}

}  // namespace

std::string render_model_card(const PickReport& report) {
  return front_matter(report) + introduction(report) + data_section(report) + measured_section(report) +
         certificate_section(report) + limits_section(report);
}

}  // namespace smidgen
