#include "smidgen/app/pick_table.h"
#include "smidgen/app/pick_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "smidgen/app/figures.h"
#include "smidgen/app/foreign_text.h"
#include "smidgen/app/paper.h"
#include "smidgen/app/pick_page.h"
#include "smidgen/base/shell_word.h"

namespace smidgen {

namespace {

constexpr std::size_t kLabelsShown = 6;

void header(const PickReport& report, Paper& paper) {
  const DataReport& data = report.data;
  std::string text = fmt::format("{}, {}, {:.0f} words a row (median)", counted(data.rows, "row", "rows"),
                                 counted(data.labels.size(), "label", "labels"), data.words_p50);
  if (data.rows_repeated > 0) text += fmt::format(", {} repeated", counted(data.rows_repeated, "row", "rows"));
  if (data.rows_conflicting > 0) text += fmt::format(", {} conflicting", with_thousands(data.rows_conflicting));
  if (data.rows_empty > 0) text += fmt::format(", {} empty", with_thousands(data.rows_empty));
  paper.sentence(for_terminal(report.data_path, 200) + "  ", text);
}

using Cells = std::array<std::string, 6>;

std::string joined(const std::vector<std::string>& parts, const char* between) {
  std::string out;
  for (const auto& part : parts) out += (out.empty() ? "" : between) + for_terminal(part);
  return out;
}

double smallest_price(const std::vector<PickRow>& rows) {
  double smallest = 0;
  for (const auto& row : rows)
    if (row.usd_per_million > 0 && (smallest <= 0 || row.usd_per_million < smallest)) smallest = row.usd_per_million;
  return smallest;
}

// The table's cells, heading first. `narrow` says the same in fewer columns: no "blended", short headings.
std::vector<Cells> table_cells(const std::vector<PickRow>& rows, bool agreement, bool narrow) {
  const double smallest = smallest_price(rows);
  const std::string share = agreement ? "agreement" : "accuracy";
  std::vector<Cells> lines = {{"", share + (narrow ? " (95 %)" : " (95 % interval)"), "p50", "size", "trained",
                               narrow ? "USD/1M" : "USD per 1M rows"}};
  for (const auto& row : rows) {
    lines.push_back({for_terminal(row.name, 24) + (row.blended && !narrow ? ", blended" : ""),
                     rounded_down(row.accuracy, 3) + fmt::format(fmt::runtime(narrow ? " ({}..{})" : "  ({} .. {})"),
                                                                 rounded_down(row.accuracy_low, 3),
                                                                 rounded_up(row.accuracy_high, 3)),
                     microseconds(row.us_p50), byte_size(row.bytes), seconds_text(row.train_seconds),
                     row.rungs.empty() ? "-" : dollars(row.usd_per_million, smallest)});
  }
  return lines;
}

// The same as lines of a terminal.
std::vector<std::string> table_lines(const std::vector<PickRow>& rows, bool agreement, bool narrow) {
  const std::vector<Cells> lines = table_cells(rows, agreement, narrow);
  std::array<std::size_t, 6> widths{};
  for (const auto& line : lines)
    for (std::size_t i = 0; i < line.size(); ++i) widths[i] = std::max(widths[i], Paper::columns(line[i]));
  std::vector<std::string> out;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    std::string text;
    for (std::size_t column = 0; column < widths.size(); ++column) {
      const std::string fill(widths[column] - Paper::columns(lines[i][column]), ' ');
      text += (column == 0 ? ""
               : narrow    ? "  "
                           : "   ") +
              (column < 2 ? lines[i][column] + fill : fill + lines[i][column]);
    }
    out.push_back(text + (i > 0 && rows[i - 1].chosen ? "  <- chosen" : ""));
  }
  return out;
}

// For other programs: cells between tabs, the last one says which row is chosen.
void plain_table(const PickReport& report, Paper& paper) {
  const std::vector<Cells> lines = table_cells(report.rows, !report.labels_from.empty(), true);
  for (std::size_t i = 0; i < lines.size(); ++i) {
    std::string text;
    for (const std::string& cell : lines[i]) text += cell + "\t";
    paper.line(text + (i > 0 && report.rows[i - 1].chosen ? "chosen" : ""));
  }
}

void ruled_table(const PickReport& report, Paper& paper) {
  std::vector<std::string> lines = table_lines(report.rows, !report.labels_from.empty(), false);
  const bool fits = std::all_of(lines.begin(), lines.end(), [&paper](const auto& line) { return paper.fits(line); });
  if (!fits) lines = table_lines(report.rows, !report.labels_from.empty(), true);
  for (std::size_t i = 0; i < lines.size(); ++i)
    paper.line(paper.inked(i == 0 ? Ink::kDim : report.rows[i - 1].chosen ? Ink::kGood : Ink::kPlain, lines[i]));
}

void table(const PickReport& report, bool plain, Paper& paper) {
  if (report.rows.empty()) return;
  plain ? plain_table(report, paper) : ruled_table(report, paper);
  std::string measured = "on " + counted(report.units_certify, "held-out row", "held-out rows");
  if (!report.unit.empty()) measured += ", one for each " + for_terminal(report.unit, 100);
  if (!report.machine.empty()) measured += "; times are of one thread of " + for_terminal(report.machine, 100);
  paper.sentence("measured:", measured + ". USD are for own compute.");
}

std::string certified_sentence(const PickReport& report) {
  const Certificate& proof = *report.certificate;
  const std::string claim = fmt::format("with {} confidence, at least {} of ", level_percent(1 - proof.delta),
                                        level_percent(1 - proof.alpha));
  const std::string units = with_thousands(proof.n_units), errors = with_thousands(proof.errors);
  const std::string untouched = "; none of the rows was used for training or tuning).";
  const bool people = report.labels_from.empty();
  const std::string right = people ? "are right" : "agree with " + for_terminal(report.labels_from);
  const std::string wrong = people ? " wrong" : " different";
  if (proof.risk == "all") {
    return claim + "all answers, the large model's included, " + right + " (exact binomial bound; " + units +
           " held-out rows, " + errors + wrong + untouched;
  }
  return claim + "the answers given locally " + right + " (exact binomial bound; of " + units + " held-out rows " +
         with_thousands(proof.n_answered) + " were answered locally, " + errors + " of them" + wrong + untouched;
}

void chosen(const PickReport& report, Paper& paper) {
  if (report.policy.empty()) return;
  std::string text = for_terminal(report.policy, 200) + ". ";
  if (report.coverage >= 1) {
    text += "It answers every held-out row";
  } else {
    text += fmt::format("It answers {} of the held-out rows", answered_percent(report.coverage));
  }
  text += fmt::format(", {} of the answers {}; ", rounded_down(report.selective_accuracy, 3),
                      report.labels_from.empty() ? "right" : "in agreement with " + for_terminal(report.labels_from));
  text += report.coverage >= 1 ? "none goes to the large model."
                               : escalated_percent(report.coverage) + " go to the large model.";
  paper.sentence(report.certified ? "chosen:" : "nearest:", text);
}

void targets(const PickReport& report, Paper& paper) {
  if (!report.certificate) return;
  for (const auto& target : report.certificate->targets) {
    const double here = target.n == 0 ? 0 : static_cast<double>(target.hits) / static_cast<double>(target.n);
    std::string text = fmt::format(
        "{} of {}: {} {}; measured {} ({} of {}", for_terminal(target.kind), for_terminal(target.label),
        report.certificate->certified ? "certified at least" : "asked", level_percent(target.target),
        target.n == 0 ? "nothing" : rounded_down(here, 3), with_thousands(target.hits), with_thousands(target.n));
    text += target.kind == "recall" ? ", where a row sent to the large model counts as found)" : " such answers)";
    for (const auto& local : report.local_recalls) {
      if (target.kind != "recall" || local.label != target.label || local.n == 0) continue;
      const double share = static_cast<double>(local.hits) / static_cast<double>(local.n);
      text += fmt::format(", {} among the rows answered locally ({} of {})", rounded_down(share, 3),
                          with_thousands(local.hits), with_thousands(local.n));
    }
    paper.sentence("target:", text + ".");
  }
}

void cost(const PickReport& report, Paper& paper) {
  const PickCost& price = report.cost;
  if (report.policy.empty() || !(price.policy_usd_per_million > 0)) return;
  const double sent = (1 - report.coverage) * price.large_usd_per_row * 1e6;
  const double own = std::max(0.0, price.policy_usd_per_million - sent);
  std::string text = fmt::format("{} USD a million rows: {} own compute (at {} USD a core-hour)",
                                 dollars(price.policy_usd_per_million, price.policy_usd_per_million), dollars(own, own),
                                 fmt::format("{:.3g}", price.usd_per_core_hour));
  if (sent > 0) text += fmt::format(" and {} for the rows sent to the large model", dollars(sent, sent));
  text += ".";
  if (price.large_usd_per_million > 0) {
    text += fmt::format(" The large model alone would cost {} USD",
                        dollars(price.large_usd_per_million, price.large_usd_per_million));
    if (price.large_model.starts_with("--") || price.price_date.starts_with("--")) {
      text += " (price given by --large-usd-per-1k-rows)";
    } else if (!price.large_model.empty()) {
      text += fmt::format(" ({}, price of {}, {:.0f} tokens in and {:.0f} out a row)", for_terminal(price.large_model),
                          for_terminal(price.price_date), price.tokens_in_per_row, price.tokens_out_per_row);
    }
    text += ".";
  }
  paper.sentence("cost:", text);
}

void refusal(const PickReport& report, Paper& paper) {
  if (report.certified) return;
  paper.sentence("not certified:", report.refusal ? for_terminal(report.refusal->reason, 1000) : kNothingPassed,
                 Ink::kBad);
  if (!report.refusal) return;
  const Refusal& why = *report.refusal;
  if (why.certifiable_accuracy) {
    paper.sentence(
        "", fmt::format("These rows show at least {} for it, with {} confidence; asked was {} with {}.",
                        rounded_down(*why.certifiable_accuracy, 3), level_percent(1 - (1 - report.confidence) / 2),
                        rounded_down(report.accuracy_target, 3), level_percent(report.confidence)));
  }
  const bool advised = std::any_of(why.advice.begin(), why.advice.end(),
                                   [](const std::string& advice) { return advice.starts_with("More labels:"); });
  if (why.units_needed && !advised) {
    paper.sentence(
        "", fmt::format(
                "About {} more labelled {}, all for certification, would be needed (an estimate, for 8 chances in 10).",
                with_thousands(*why.units_needed), *why.units_needed == 1 ? "row" : "rows"));
  }
  for (const auto& advice : why.advice) paper.sentence("try:", for_terminal(advice, 1000));
}

void caveats(const PickReport& report, Paper& paper) {
  if (!report.labels_too_few.empty()) {
    const auto& labels = report.labels_too_few;
    const std::size_t shown = std::min(labels.size(), kLabelsShown);
    std::string text =
        fmt::format("too few distinct rows to say anything about {}: ", counted(labels.size(), "label", "labels"));
    text += joined({labels.begin(), labels.begin() + static_cast<std::ptrdiff_t>(shown)}, ", ");
    if (shown < labels.size()) text += fmt::format(" and {} more", with_thousands(labels.size() - shown));
    paper.sentence("note:", text + ". Nothing is claimed for them.");
  }
  if (report.rows_cut > 0) {
    const std::string rows = counted(report.rows_cut, "held-out row is", "held-out rows are");
    paper.sentence("note:", report.tokens_max > 0
                                ? fmt::format("{} longer than {} tokens; the encoder reads only their beginning.", rows,
                                              with_thousands(report.tokens_max))
                                : rows + " too long to be read whole; only the beginning counts.");
  }
  if (const std::string note = note_of_attempts(report); !note.empty()) paper.sentence("note:", note);
  for (const auto& warning : report.data.warnings) paper.sentence("note:", for_terminal(warning, 1000));
  for (const auto& note : report.notes) paper.sentence("note:", for_terminal(note, 1000));
}

void written(const PickReport& report, Paper& paper) {
  if (report.bundle.empty()) {
    paper.sentence("written:", "nothing. --allow-uncertified writes the bundle all the same, marked as not certified.");
    return;
  }
  std::string folder = report.bundle;
  while (folder.size() > 1 && folder.back() == '/') folder.pop_back();
  paper.sentence("written:", for_terminal(folder, 400) + "/" + (report.certified ? "" : " (marked as not certified)") +
                                 "   report: " +
                                 for_terminal(report.page.empty() ? pick_page_path(report.bundle) : report.page, 400));
  paper.sentence("next:", "smidgen run " + shell_word(for_terminal(folder, 400)) + " --text \"...\"");
}

}  // namespace

std::string render_pick_table(const PickReport& report, bool colour, std::size_t width, bool plain) {
  Paper paper(colour && !plain, plain ? 0 : width);
  header(report, paper);
  table(report, plain, paper);
  refusal(report, paper);
  chosen(report, paper);
  if (report.certified && report.certificate) paper.sentence("certified:", certified_sentence(report), Ink::kGood);
  targets(report, paper);
  cost(report, paper);
  caveats(report, paper);
  written(report, paper);
  return paper.take();
}

}  // namespace smidgen
