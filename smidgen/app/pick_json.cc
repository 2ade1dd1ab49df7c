#include "smidgen/app/pick_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "smidgen/app/figures.h"
#include "smidgen/app/foreign_text.h"

namespace smidgen {

namespace {

using Json = nlohmann::ordered_json;

Json strings(const std::vector<std::string>& texts) {
  Json out = Json::array();
  for (const auto& text : texts) out.push_back(valid_utf8(text));
  return out;
}

Json string_or_null(const std::string& text) {
  return text.empty() ? Json(nullptr) : Json(valid_utf8(text));
}

template <class T>
Json value_or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

Json data_of(const PickReport& report) {
  const DataReport& data = report.data;
  Json labels = Json::array(), conflicts = Json::array();
  for (const auto& label : data.labels)
    labels.push_back({{"label", valid_utf8(label.label)}, {"rows", label.rows}, {"units", label.units}});
  for (const auto& [first, second] : data.conflicts) conflicts.push_back(Json::array({first, second}));
  return {{"path", valid_utf8(report.data_path)},
          {"sha256", report.data_sha256},
          {"rows", data.rows},
          {"units", data.units},
          {"words", {{"p50", data.words_p50}, {"p95", data.words_p95}, {"max", data.words_max}}},
          {"rows_repeated", data.rows_repeated},
          {"rows_conflicting", data.rows_conflicting},
          {"rows_empty", data.rows_empty},
          {"labels", std::move(labels)},
          {"conflicts", std::move(conflicts)},
          {"warnings", strings(data.warnings)}};
}

Json split_of(const PickReport& report) {
  return {{"unit", valid_utf8(report.unit)},
          {"salt", valid_utf8(report.split_salt)},
          {"attempts", report.attempts},
          {"fit", {{"rows", report.rows_fit}, {"units", report.units_fit}}},
          {"tune", {{"rows", report.rows_tune}, {"units", report.units_tune}}},
          {"certify", {{"rows", report.rows_certify}, {"units", report.units_certify}}},
          {"certify_path", string_or_null(report.certify_path)},
          {"rows_unused", report.rows_unused},
          {"labels_too_few", strings(report.labels_too_few)},
          {"labels_from", string_or_null(report.labels_from)}};
}

Json rungs_of(const PickReport& report) {
  Json out = Json::array();
  for (const auto& row : report.rows) {
    out.push_back({{"rung", valid_utf8(row.name)},
                   {"accuracy", row.accuracy},
                   {"accuracy_low", row.accuracy_low},
                   {"accuracy_high", row.accuracy_high},
                   {"us_p50", row.us_p50},
                   {"us_p99", row.us_p99},
                   {"bytes", row.bytes},
                   {"memory_mb", row.memory_mb},
                   {"train_seconds", row.train_seconds},
                   {"usd_per_million", row.usd_per_million},
                   {"macro_f1", row.macro_f1},
                   {"ece", row.ece},
                   {"p_value_next", row.p_value_next ? Json(*row.p_value_next) : Json(nullptr)},
                   {"runs", strings(row.rungs)},
                   {"blended", row.blended},
                   {"chosen", row.chosen}});
  }
  return out;
}

Json certificate_of(const PickReport& report) {
  if (!report.certificate) return nullptr;
  const Certificate& proof = *report.certificate;
  Json targets = Json::array();
  for (const auto& target : proof.targets) {
    Json local = nullptr;
    for (const auto& recall : report.local_recalls)
      if (target.kind == "recall" && recall.label == target.label) local = {{"n", recall.n}, {"hits", recall.hits}};
    targets.push_back({{"kind", valid_utf8(target.kind)},
                       {"label", valid_utf8(target.label)},
                       {"target", target.target},
                       {"n", target.n},
                       {"hits", target.hits},
                       {"p_value", target.p_value},
                       {"local", std::move(local)}});
  }
  return {{"certified", proof.certified},
          {"statement", valid_utf8(proof.statement)},
          {"risk", valid_utf8(proof.risk)},
          {"alpha", proof.alpha},
          {"delta", proof.delta},
          {"n_units", proof.n_units},
          {"n_answered", proof.n_answered},
          {"errors", proof.errors},
          {"coverage", proof.coverage},
          {"p_value", proof.p_value},
          {"lower_bound", proof.lower_bound},
          {"method", valid_utf8(proof.method)},
          {"candidates", proof.candidates},
          {"tested", proof.tested},
          {"attempts", proof.attempts},
          {"data_sha256", valid_utf8(proof.data_sha256)},
          {"test_sha256", string_or_null(proof.test_sha256)},
          {"split_salt", valid_utf8(proof.split_salt)},
          {"bundle_sha256", valid_utf8(proof.bundle_sha256)},
          {"precision", valid_utf8(proof.precision)},
          {"version", valid_utf8(proof.version)},
          {"targets", std::move(targets)},
          {"labels_from", string_or_null(proof.labels_from)},
          {"assumptions", strings(proof.assumptions)},
          {"not_claimed", strings(proof.not_claimed)}};
}

Json labels_of(const PickReport& report) {
  if (!report.label_treatment) return nullptr;
  constexpr std::size_t kDoubtsListed = 1000;
  const LabelTreatment& labels = *report.label_treatment;
  Json forms = Json::array(), doubts = Json::array();
  for (const LabelTrial& trial : labels.trials)
    forms.push_back({{"form", trial.form},
                     {"accuracy", trial.accuracy},
                     {"loss", trial.loss},
                     {"gain", trial.gain},
                     {"gain_error", trial.gain_error},
                     {"used", trial.used}});
  for (std::size_t i = 0; i < std::min(kDoubtsListed, report.label_doubts.size()); ++i) {
    const NotableRow& row = report.label_doubts[i];
    doubts.push_back({{"line", row.line},
                      {"label", valid_utf8(row.label)},
                      {"likelier", valid_utf8(row.answer)},
                      {"p_label", row.label_probability},
                      {"p_likelier", row.confidence}});
  }
  return {{"models", valid_utf8(labels.models)},
          {"rows_models", labels.model_rows},
          {"rows_people", labels.human_rows},
          {"rows_judged", labels.judged_rows},
          {"judged_by", labels.judged_by_people ? "people" : "all"},
          {"forms", std::move(forms)},
          {"rows_doubted", labels.doubts.size()},
          {"cleaned", labels.cleaned},
          {"doubts", std::move(doubts)}};
}

Json refusal_of(const PickReport& report) {
  if (!report.refusal) return nullptr;
  const Refusal& why = *report.refusal;
  return {{"reason", valid_utf8(why.reason)},
          {"certifiable_accuracy", value_or_null(why.certifiable_accuracy)},
          {"units_needed", value_or_null(why.units_needed)},
          {"units_at_least", value_or_null(why.units_at_least)},
          {"advice", strings(why.advice)}};
}

Json cost_of(const PickCost& cost, bool of_policy) {
  return {{"policy_usd_per_million", of_policy ? Json(cost.policy_usd_per_million) : Json(nullptr)},
          {"large_usd_per_million", cost.large_usd_per_million},
          {"usd_per_core_hour", cost.usd_per_core_hour},
          {"large_usd_per_row", cost.large_usd_per_row},
          {"large_model", string_or_null(cost.large_model)},
          {"price_date", string_or_null(cost.price_date)},
          {"tokens_in_per_row", cost.tokens_in_per_row},
          {"tokens_out_per_row", cost.tokens_out_per_row}};
}

Json notable(const std::vector<NotableRow>& rows) {
  Json out = Json::array();
  for (const auto& row : rows) {
    out.push_back({{"line", row.line},
                   {"text", string_or_null(row.text)},
                   {"label", valid_utf8(row.label)},
                   {"answer", valid_utf8(row.answer)},
                   {"confidence", row.confidence},
                   {"label_probability", row.label_probability}});
  }
  return out;
}

void add_evaluation(const PickReport& report, Json& out) {
  Json curves = Json::array(), reliability = Json::array(), confusions = Json::array(), classes = Json::array();
  for (const auto& curve : report.curves)
    curves.push_back({{"name", valid_utf8(curve.name)}, {"coverage", curve.coverage}, {"risk", curve.risk}});
  for (const auto& bin : report.reliability)
    reliability.push_back({{"confidence", bin.confidence}, {"accuracy", bin.accuracy}, {"rows", bin.rows}});
  for (const auto& pair : report.confusions)
    confusions.push_back({{"truth", valid_utf8(pair.truth)}, {"answer", valid_utf8(pair.answer)}, {"rows", pair.rows}});
  for (const auto& line : report.classes) {
    classes.push_back({{"label", valid_utf8(line.label)},
                       {"precision", line.precision},
                       {"recall", line.recall},
                       {"f1", line.f1},
                       {"units", line.units}});
  }
  out["classes"] = std::move(classes);
  out["confusions"] = std::move(confusions);
  out["reliability"] = std::move(reliability);
  out["curves"] = std::move(curves);
  out["hardest"] = notable(report.hardest);
  out["label_errors"] = notable(report.label_errors);
}

}  // namespace

std::string note_of_attempts(const PickReport& report) {
  if (report.attempts <= 1) return "";
  const double delta = 1 - report.confidence, any = std::min(1.0, static_cast<double>(report.attempts) * delta);
  return fmt::format(
      "this is attempt {} on the same held-out rows. Each may be wrong with probability {}; that one of the {} is, "
      "with up to {}. New rows make a fresh start.",
      with_thousands(report.attempts), chance_percent(delta), with_thousands(report.attempts), chance_percent(any));
}

std::string pick_json(const PickReport& report) {
  const auto of_policy = [&](double value) { return report.policy.empty() ? Json(nullptr) : Json(value); };
  std::vector<std::string> notes = report.notes;
  if (const std::string note = note_of_attempts(report); !note.empty()) notes.push_back(note);
  Json out = {
      {"certified", report.certified},
      {"bundle", string_or_null(report.bundle)},
      {"data", data_of(report)},
      {"split", split_of(report)},
      {"rungs", rungs_of(report)},
      {"policy", string_or_null(report.policy)},
      {"coverage", of_policy(report.coverage)},
      {"typos", report.repairs_typos ? "repair" : "keep"},
      {"certificate", certificate_of(report)},
      {"selective_accuracy", of_policy(report.selective_accuracy)},
      {"asked",
       {{"accuracy", report.accuracy_target}, {"confidence", report.confidence}, {"risk", valid_utf8(report.risk)}}},
      {"refusal", refusal_of(report)},
      {"cost", cost_of(report.cost, !report.policy.empty())},
      {"labels_of_models", labels_of(report)},
      {"rows_cut", report.rows_cut},
      {"tokens_max", report.tokens_max},
      {"notes", strings(notes)}};
  add_evaluation(report, out);
  out["seed"] = report.seed;
  out["threads"] = report.threads;
  out["machine"] = valid_utf8(report.machine);
  out["version"] = valid_utf8(report.version);
  out["seconds"] = report.seconds;
  return out.dump();
}

}  // namespace smidgen
