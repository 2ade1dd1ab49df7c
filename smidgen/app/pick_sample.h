// Reports as a pick could have made them, for the tests of what people see: certified, certified with per-class
// targets, refused, refused before training, and one whose every text is hostile.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>

#include "smidgen/learn/pick_report.h"

namespace smidgen::sample {

inline PickRow row(const char* name, std::vector<std::string> rungs, bool blended, double accuracy, double low,
                   double high) {
  PickRow out;
  out.name = name;
  out.rungs = std::move(rungs);
  out.blended = blended;
  out.accuracy = accuracy;
  out.accuracy_low = low;
  out.accuracy_high = high;
  out.macro_f1 = accuracy - 0.004;
  return out;
}

inline PickRow with_costs(PickRow out, double us_p50, std::uint64_t bytes, double memory_mb, double train_seconds) {
  out.us_p50 = us_p50;
  out.us_p99 = us_p50 * 2.6;
  out.bytes = bytes;
  out.memory_mb = memory_mb;
  out.train_seconds = train_seconds;
  out.usd_per_million = us_p50 / 3600 * 0.04;
  out.ece = 0.021;
  return out;
}

// Error among the answered falls from `worst` (all answered) to nearly nothing.
inline RiskCurve curve(const char* name, double worst, double bend) {
  RiskCurve out;
  out.name = name;
  for (int i = 1; i <= 60; ++i) {
    const double coverage = i / 60.0;
    out.coverage.push_back(coverage);
    out.risk.push_back(0.003 + (worst - 0.003) * std::pow(coverage, bend));
  }
  return out;
}

inline void add_ladder(PickReport& report) {
  report.rows.push_back(row("majority", {}, false, 0.0174, 0.0121, 0.0243));
  report.rows.push_back(with_costs(row("linear", {"linear"}, false, 0.8931, 0.8787, 0.9063), 8.4, 6'200'000, 41, 2.3));
  report.rows.push_back(with_costs(row("static", {"static"}, false, 0.8886, 0.8740, 0.9021), 34, 31'000'000, 62, 9.4));
  report.rows.push_back(
      with_costs(row("encoder", {"linear", "encoder"}, true, 0.9426, 0.9315, 0.9524), 2140, 97'000'000, 214, 41));
  report.rows.push_back(
      with_costs(row("cascade", {"linear", "encoder"}, true, 0.9411, 0.9299, 0.9510), 11.6, 103'000'000, 221, 44));
}

inline void add_page(PickReport& report) {
  report.curves = {curve("linear", 0.107, 3.0), curve("linear -> encoder", 0.058, 3.4), curve("static", 0.112, 2.5)};
  for (int i = 0; i < 8; ++i) {
    const double confidence = 0.31 + 0.0965 * i;
    report.reliability.push_back(
        {confidence, std::min(0.994, confidence + 0.03 * std::sin(2.0 * i)), std::uint64_t(40) << i});
  }
  report.confusions = {{"card_arrival", "card_delivery_estimate", 14},
                       {"top_up_failed", "top_up_reverted", 11},
                       {"why_verify_identity", "verify_my_identity", 9},
                       {"balance_not_updated_after_bank_transfer", "transfer_not_received_by_recipient", 8}};
  report.classes = {{"card_arrival", 0.912, 0.886, 0.899, 35},
                    {"lost_or_stolen_card", 1.0, 0.971, 0.985, 34},
                    {"top_up_failed", 0.854, 0.897, 0.875, 39},
                    {"transfer_not_received_by_recipient", 0.829, 0.850, 0.839, 40}};
  report.hardest = {
      {4127, "I sent money to my friend and it has not shown up, has it gone back?",
       "transfer_not_received_by_recipient", "top_up_reverted", 0.97, 0.0113},
      {881, "Why?", "why_verify_identity", "declined_card_payment", 0.41, 0.021},
      {9020,
       "How do I get one of those, the disposable ones, and is there a limit on how many a person may have at the "
       "same time before you start to charge for them?",
       "disposable_card_limits", "get_disposable_virtual_card", 0.88, 0.094}};
  report.label_errors = {{2210, "When will my new card be here?", "card_linking", "card_arrival", 0.991, 0.0006},
                         {5541, "The exchange rate you applied is wrong", "exchange_charge",
                          "wrong_exchange_rate_for_cash_withdrawal", 0.95, 0.012}};
}

inline PickReport base_report() {
  PickReport report;
  report.data_path = "tickets.csv";
  report.data_sha256 = "9f2b6c1f7a4de8b0c3155e0a94d1c1c8be61b94ad5c4e6bb2e1f0a5f3f6d7a10";
  report.data.rows = 10'003;
  report.data.units = 9'988;
  for (const char* label :
       {"card_arrival", "lost_or_stolen_card", "top_up_failed", "transfer_not_received_by_recipient"})
    report.data.labels.push_back({label, 187 - report.data.labels.size() * 16, 185 - report.data.labels.size() * 16});
  for (int i = 5; i <= 77; ++i) report.data.labels.push_back({"intent_" + std::to_string(i), 130, 129});
  report.data.words_p50 = 10;
  report.data.words_p95 = 28;
  report.data.words_max = 79;
  report.data.rows_repeated = 11;
  report.data.rows_conflicting = 4;
  report.data.conflicts = {{118, 4032}, {903, 7110}};
  report.seed = 1;
  report.threads = 2;
  report.machine = "Intel(R) Xeon(R) Processor, avx512, 2 threads";
  report.version = "0.1.0";
  report.rows_fit = 6'803;
  report.rows_tune = 1'200;
  report.rows_certify = 2'000;
  report.rows_unused = 9;
  report.units_fit = 6'792;
  report.units_tune = 1'199;
  report.units_certify = 1'997;
  report.unit = "distinct text";
  report.split_salt = "smidgen-1";
  report.accuracy_target = 0.95;
  report.risk = "selective";
  report.cost.usd_per_core_hour = 0.04;
  report.cost.large_usd_per_row = 0.00036;
  report.cost.large_model = "gpt-4o-mini";
  report.cost.price_date = "2026-10-01";
  report.cost.tokens_in_per_row = 612;
  report.cost.tokens_out_per_row = 6;
  report.cost.large_usd_per_million = 360;
  report.tokens_max = 256;
  report.seconds = 58.3;
  add_ladder(report);
  add_page(report);
  return report;
}

inline PickReport certified() {
  PickReport report = base_report();
  report.certified = true;
  report.bundle = "tickets.smidgen";
  report.policy = "linear -> encoder";
  report.rows.back().chosen = true;
  report.coverage = 1925.0 / 1997;
  report.selective_accuracy = 1862.0 / 1925;
  report.cost.policy_usd_per_million = 360 * (1 - report.coverage) + 0.0071;
  Certificate& proof = report.certificate.emplace();
  proof.statement =
      "With 95 % confidence, at least 95 % of the answers given locally are right, for rows drawn like the certified "
      "ones (unit: distinct text).";
  proof.risk = "selective";
  proof.alpha = 0.05;
  proof.delta = 0.05;
  proof.n_units = 1'997;
  proof.n_answered = 1'925;
  proof.errors = 63;
  proof.coverage = report.coverage;
  proof.p_value = 0.00013;
  proof.lower_bound = 0.95967;
  proof.method = "Learn-then-Test, fixed sequence, exact binomial tail";
  proof.candidates = 23;
  proof.data_sha256 = report.data_sha256;
  proof.split_salt = report.split_salt;
  proof.bundle_sha256 = "1c" + std::string(62, 'e');
  proof.precision = "f32";
  proof.version = "0.1.0";
  proof.certified = true;
  proof.assumptions = {"New rows are drawn like the certified ones, independently of each other.",
                       "The labels of the certified rows are right."};
  proof.not_claimed = {"Anything about labels with fewer than 5 units."};
  return report;
}

inline PickReport with_targets() {
  PickReport report = certified();
  report.attempts = 3;
  report.certificate->attempts = 3;
  report.certificate->targets = {{"recall", "lost_or_stolen_card", 0.9, 34, 34, 0.0278},
                                 {"precision", "top_up_failed", 0.8, 41, 38, 0.0357}};
  report.local_recalls = {{"lost_or_stolen_card", 33, 33}};
  report.labels_too_few = {"virtual_card_not_working", "crypto", "a", "b", "c", "d", "e", "f"};
  report.rows_cut = 12;
  report.notes = {"The linear rung answers 81 % of the rows alone."};
  return report;
}

inline PickReport refused() {
  PickReport report = base_report();
  report.refusal = Refusal{"no policy passed: the best answers 0.9496 right on the tuning rows, too near to 0.95",
                           0.94961,
                           1'240,
                           {"--accuracy 0.94 would pass on these rows",
                            "label 1,240 more rows, most of all of `top_up_failed` and `card_arrival`"}};
  report.policy = "linear -> encoder";
  report.coverage = 0.99996;
  report.selective_accuracy = 0.94969;
  report.cost.policy_usd_per_million = 12.97;
  return report;
}

// Refused before anything was trained: too few rows for any outcome to pass.
inline PickReport untrained() {
  PickReport report = base_report();
  report.rows.clear();
  report.curves.clear();
  report.reliability.clear();
  report.confusions.clear();
  report.classes.clear();
  report.hardest.clear();
  report.label_errors.clear();
  report.refusal =
      Refusal{"even without one error this target would need 59 rows to certify; there are 40", {}, 95, {}};
  return report;
}

// Everything foreign is hostile here; the page must show it and run none of it.
inline PickReport hostile() {
  PickReport report = with_targets();
  const std::string script = "</script><script>alert(1)</script>";
  const std::string odd =
      "<!-- \xe2\x80\xa8\xe2\x80\xa9 \" ' ` | & \\ \x1b[31m \xff\xc3( \xed\xa0\x80 {{data}} \r\n # x";
  const std::string large(10 * 1024, 'L');
  report.data_path = "/home/someone/<b>.csv";
  report.data.labels[0].label = script;
  report.data.labels[1].label = odd;
  report.data.labels[2].label = large;
  report.data.warnings = {script, odd};
  report.labels_too_few = {script, odd, large};
  report.confusions = {{script, odd, 3}, {large, script, 2}};
  report.classes = {{script, 0.5, 0.5, 0.5, 9}, {odd, 0.5, 0.5, 0.5, 9}, {large, 0.1, 0.1, 0.1, 1}};
  report.hardest = {{1, script + odd, odd, script, 0.9, 0.1}};
  report.label_errors = {{2, odd, script, large, 0.9, 0.1}};
  report.certificate->targets[0].label = script;
  report.curves[0].name = script;
  report.rows[1].name = odd;
  report.notes = {odd};
  report.machine = script;
  return report;
}

}  // namespace smidgen::sample
