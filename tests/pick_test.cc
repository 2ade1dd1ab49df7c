// pick from a labelled file to a bundle, with the rung `linear` alone: what is written is what was certified, and
// nothing that certifies has a say in what is tested.
#include "smidgen/learn/pick.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <set>

#include "smidgen/base/atomic_file.h"
#include "smidgen/base/file.h"
#include "smidgen/base/json.h"
#include "smidgen/base/random.h"
#include "smidgen/base/sha256.h"
#include "smidgen/base/statistics.h"
#include "smidgen/learn/split.h"
#include "smidgen/learn/training_rows.h"
#include "smidgen/model/classifier.h"

namespace smidgen {
namespace {

namespace fs = std::filesystem;

const std::vector<std::string> kKinds = {"card", "loan", "transfer"};

// A row of the synthetic task: words of its label among words that say nothing. `noise`: share of labels drawn anew.
struct Row {
  std::string text, label;
};
std::vector<Row> make_rows(std::size_t count, double noise, std::uint64_t seed) {
  Random random(seed);
  std::vector<Row> rows;
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t kind = i % kKinds.size();
    std::string text = "case " + std::to_string(seed) + "x" + std::to_string(i);
    for (int word = 0; word < 7; ++word)
      text += random.uniform() < 0.45 ? fmt::format(" {}{}", kKinds[kind], random.below(12))
                                      : fmt::format(" w{}", random.below(150));
    const std::size_t label = random.uniform() < noise ? random.below(kKinds.size()) : kind;
    rows.push_back({text, kKinds[label]});
  }
  return rows;
}

std::string to_csv(const std::vector<Row>& rows, const std::function<std::string(std::size_t)>& third = {}) {
  std::string csv = third ? "text,label,third\n" : "text,label\n";
  for (std::size_t i = 0; i < rows.size(); ++i)
    csv += rows[i].text + "," + rows[i].label + (third ? "," + third(i) : "") + "\n";
  return csv;
}

class PickTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = testing::TempDir() + "smidgen_pick_test." + std::to_string(::getpid());
    fs::remove_all(folder_);
    fs::create_directories(folder_);
    request_.out = folder_ + "/a.smidgen";
    request_.accuracy = 0.9;
    request_.ladder.static_vectors = request_.ladder.encoder = false;
    request_.large_usd_per_row = 0.0005;
    request_.state_folder = folder_ + "/state";
    services_.run_memory_mb = [](const std::string& bundle, const std::string& jsonl) -> Result<double> {
      EXPECT_TRUE(fs::exists(bundle + "/bundle.json"));
      EXPECT_TRUE(fs::exists(jsonl));
      return 12.5;
    };
    services_.model_card = [](const PickReport& report) { return "policy " + report.policy + "\n"; };
    services_.machine = "test";
  }
  void TearDown() override { fs::remove_all(folder_); }

  static Dataset load(const std::string& csv, const ReadOptions& options = {}) {
    auto data = Dataset::from_memory(csv, "data.csv", options);
    EXPECT_TRUE(data.ok()) << data.error().message();
    return std::move(*data);
  }
  // The certificate's counts are those of what the written bundle answers, row by row. Returns how many rows left at
  // each stage.
  std::vector<int> expect_recounted(const Classifier& bundle, const Dataset& data) {
    const Certificate& stored = *bundle.bundle().certificate;
    const Split split = *make_split(data, request_.split);
    auto session = bundle.session();
    std::uint64_t answered = 0, errors = 0;
    std::vector<int> left_at(bundle.bundle().rungs.size());
    for (const std::uint32_t row : split.certify) {
      const std::string_view text = data.texts[row];
      const Answer answer = session.classify(std::span(&text, 1))[0];
      ++left_at[answer.decision.stage];
      if (answer.decision.escalated) continue;
      ++answered;
      errors += answer.label == data.label_names[data.labels[row]] ? 0 : 1;
    }
    EXPECT_EQ(stored.n_units, split.certify.size());
    EXPECT_EQ(stored.n_answered, answered);
    EXPECT_EQ(stored.errors, errors);
    return left_at;
  }
  Result<PickReport> run(const Dataset& data, std::size_t threads = 2) {
    ThreadPool pool(threads);
    return pick(data, request_, services_, pool, watcher_);
  }
  PickReport picked(const Dataset& data, std::size_t threads = 2) {
    auto report = run(data, threads);
    EXPECT_TRUE(report.ok()) << report.error().message();
    return report.ok() ? std::move(*report) : PickReport{};
  }
  std::string written(const std::string& name) const { return *read_file(request_.out + "/" + name, 1 << 20); }
  // The hashes of a rung's files, side by side.
  std::string hashes_of(const std::string& rung) const {
    std::set<std::string> files;
    for (const auto& entry : fs::directory_iterator(request_.out + "/" + rung))
      files.insert(entry.path().filename().string() + " " + *sha256_file(entry.path()));
    EXPECT_FALSE(files.empty());
    std::string all;
    for (const std::string& file : files) all += file + "\n";
    return all;
  }
  // Everything but the bundle and the counts is gone.
  std::set<std::string> left_behind() const {
    std::set<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder_)) names.insert(entry.path().filename());
    names.erase("state");
    return names;
  }

  std::string folder_;
  PickRequest request_;
  PickServices services_;
  Watcher watcher_;
};

TEST_F(PickTest, WritesWhatItCertified) {
  const Dataset data = load(to_csv(make_rows(900, 0.02, 1)));
  const PickReport report = picked(data);
  ASSERT_TRUE(report.certified);
  EXPECT_EQ(left_behind(), std::set<std::string>{"a.smidgen"});
  const auto bundle = Classifier::open(request_.out);
  ASSERT_TRUE(bundle.ok()) << bundle.error().message();
  ASSERT_TRUE(bundle->bundle().certificate.has_value());
  const Certificate& stored = *bundle->bundle().certificate;
  EXPECT_TRUE(stored.certified);
  EXPECT_EQ(stored.statement, report.certificate->statement);
  EXPECT_EQ(stored.bundle_sha256, report.certificate->bundle_sha256);
  EXPECT_EQ(stored.bundle_sha256, sha256_hex(written("bundle.json")));
  EXPECT_EQ(stored.data_sha256, data.sha256);
  EXPECT_EQ(stored.split_salt, kDefaultSplitSalt);
  EXPECT_EQ(stored.attempts, 1U);
  EXPECT_GE(stored.tested, 1U);
  EXPECT_LE(stored.tested, stored.candidates);
  EXPECT_EQ(written("README.md"), "policy linear\n");

  // The counts, once more from nothing: the split by its rule, the answers by the written bundle.
  expect_recounted(*bundle, data);
  EXPECT_NEAR(stored.p_value, binomial_cdf(stored.errors, stored.n_answered, 0.1), 1e-9);
  EXPECT_LE(stored.p_value, 0.05);

  request_.force = true;
  EXPECT_EQ(picked(data).certificate->attempts, 2U);
}

// Rows of words that the tiny encoder knows, the first of them mostly the label's.
std::vector<Row> make_rows_of_known_words() {
  const std::vector<std::string> words = {"refund", "zebra", "good", "cat", "hello", "world", "the", "bad"};
  Random random(5);
  std::vector<Row> rows;
  for (std::size_t i = 0; i < 1500; ++i) {
    const std::size_t label = random.below(kKinds.size());
    std::string text = words[random.uniform() < 0.55 ? label : random.below(words.size())];
    for (int word = 0; word < 6; ++word)
      text += " " + words[random.uniform() < 0.2 ? label : random.below(words.size())];
    rows.push_back({fmt::format("{} {}", text, i), kKinds[label]});
  }
  return rows;
}

// An exit and its encoder, one climb: what was certified is what the written bundle answers, row by row.
TEST_F(PickTest, WritesTheExitsItCertified) {
  const Dataset data = load(to_csv(make_rows_of_known_words()));
  request_.ladder.linear = false;
  request_.ladder.encoder = request_.ladder.exits = true;
  request_.ladder.encoder_folder = SMIDGEN_SOURCE_DIR "/tests/golden/tiny_bert";
  request_.accuracy = 0.75;
  const PickReport report = picked(data);
  ASSERT_TRUE(report.certified);
  std::vector<std::string> names;
  for (const PickRow& row : report.rows) names.push_back(row.name);
  ASSERT_GE(names.size(), 4U);
  EXPECT_EQ(std::vector<std::string>(names.begin(), names.begin() + 4),
            (std::vector<std::string>{"majority", "exit_1", "encoder", "blend"}));
  const auto bundle = Classifier::open(request_.out);
  ASSERT_TRUE(bundle.ok()) << bundle.error().message();
  ASSERT_EQ(report.policy, "exit_1 -> encoder");
  EXPECT_EQ(bundle->bundle().info.rungs.front().exit_after, 1U);
  const std::vector<int> left_at = expect_recounted(*bundle, data);
  ASSERT_EQ(left_at.size(), 2U);
  EXPECT_GT(left_at[0], 20);
  EXPECT_GT(left_at[1], 20);
}

TEST_F(PickTest, WritesTheExitsOfAnEncoderItFineTuned) {
  const Dataset data = load(to_csv(make_rows_of_known_words()));
  request_.ladder.linear = false;
  request_.ladder.encoder = request_.ladder.exits = true;
  request_.ladder.encoder_folder = SMIDGEN_SOURCE_DIR "/tests/golden/tiny_bert";
  request_.ladder.seconds_max = 1000;
  request_.accuracy = 0.85;
  const PickReport report = picked(data);
  ASSERT_TRUE(report.certified);
  const auto bundle = Classifier::open(request_.out);
  ASSERT_TRUE(bundle.ok()) << bundle.error().message();
  // Moved, its first layer answers; whether alone is a matter of roundings, which differ by build and processor.
  ASSERT_TRUE(report.policy == "exit_1" || report.policy == "exit_1 -> encoder") << report.policy;
  const std::vector<BundleRung>& rungs = bundle->bundle().info.rungs;
  EXPECT_EQ(rungs.front().exit_after, 1U);
  EXPECT_NE(*sha256_file(request_.out + "/" + rungs.back().path + "/model.safetensors"),  // the last keeps the weights
            *sha256_file(request_.ladder.encoder_folder + "/model.safetensors"));
  expect_recounted(*bundle, data);
  EXPECT_GT(bundle->bundle().certificate->coverage, 0.2);
  EXPECT_EQ(left_behind(), std::set<std::string>{"a.smidgen"});
}

TEST_F(PickTest, AModelsLabelsAreCertifiedAsAgreementWithIt) {
  ReadOptions options;
  options.labels_from = "gpt-4o";
  const PickReport report = picked(load(to_csv(make_rows(900, 0.02, 1)), options));
  ASSERT_TRUE(report.certified);
  EXPECT_EQ(report.labels_from, "gpt-4o");
  const Certificate& proof = *report.certificate;
  EXPECT_EQ(proof.labels_from, "gpt-4o");
  EXPECT_NE(proof.statement.find("at least 90 % of the answers given locally agree with gpt-4o ("), std::string::npos)
      << proof.statement;
  EXPECT_EQ(proof.statement.find("right"), std::string::npos) << proof.statement;
  EXPECT_NE(proof.assumptions[2].find("agreement with gpt-4o"), std::string::npos);
  EXPECT_EQ(Classifier::open(request_.out)->bundle().certificate->labels_from, "gpt-4o");
  ASSERT_TRUE(report.label_treatment.has_value());
  EXPECT_EQ(report.label_treatment->model_rows, report.rows_fit + report.rows_tune);
}

TEST_F(PickTest, PeoplesLabelsCertifyWhereThereAreSome) {
  const std::vector<Row> rows = make_rows(1800, 0.02, 1);
  const std::string csv = to_csv(rows, [](std::size_t i) { return i % 3 == 0 ? "human" : "gpt-4o"; });
  ReadOptions options;
  options.source_column = "third";
  const Dataset data = load(csv, options);
  const PickReport report = picked(data);
  ASSERT_TRUE(report.certified);
  EXPECT_EQ(report.labels_from, "");
  EXPECT_NE(report.certificate->statement.find("answers given locally are right"), std::string::npos);
  EXPECT_LE(report.units_certify, 0.45 * 600);
  // A model's errors move neither the rows that certify nor their labels; doubts name none of them.
  std::set<std::uint64_t> certified_lines;
  const Split split = *make_split(data, request_.split);
  for (const std::uint32_t row : split.certify) {
    EXPECT_EQ(row % 3, 0U);
    certified_lines.insert(data.lines[row]);
  }
  ASSERT_TRUE(report.label_treatment.has_value());
  EXPECT_TRUE(report.label_treatment->judged_by_people);
  for (const NotableRow& doubt : report.label_doubts) EXPECT_FALSE(certified_lines.contains(doubt.line));
}

// A model that is wrong on three rows in ten would make every threshold look bad: where people labelled enough rows,
// theirs alone judge.
TEST_F(PickTest, AModelsErrorsTakeNothingFromWhatPeoplesLabelsCertify) {
  std::vector<Row> rows = make_rows(900, 0.01, 1), noisy = make_rows(1500, 0.45, 2);
  const std::size_t people = rows.size();
  rows.insert(rows.end(), noisy.begin(), noisy.end());
  const auto third = [&](std::size_t of_people) {
    return [=](std::size_t i) { return i < of_people ? "human" : "gpt-4o"; };
  };
  ReadOptions options;
  options.source_column = "third";
  const PickReport report = picked(load(to_csv(rows, third(people)), options));
  ASSERT_TRUE(report.certified) << report.refusal->reason;
  EXPECT_GT(report.coverage, 0.9);
  const auto says = [](const PickReport& said, const char* what) {
    return std::any_of(said.notes.begin(), said.notes.end(),
                       [&](const std::string& note) { return note.find(what) != std::string::npos; });
  };
  EXPECT_TRUE(says(report, "rows trained on that people labelled"));
  request_.out += "2";
  const PickReport few = picked(load(to_csv(rows, third(250)), options));
  EXPECT_TRUE(says(few, "it takes 200 to judge by theirs alone"));
}

TEST(TrainingRows, PeoplesLabelsStandAboveProbabilities) {
  std::string csv = "text,label,by,p\n";
  for (int i = 0; i < 60; ++i)
    csv += fmt::format("text {0} {1},{1},{2},\"{{\"\"a\"\": 0.9, \"\"b\"\": 0.1}}\"\n", i, i % 2 == 0 ? "a" : "b",
                       i % 3 == 0 ? "gpt" : "human");
  ReadOptions options;
  options.source_column = "by";
  options.soft_column = "p";
  const auto data = Dataset::from_memory(csv, "l.csv", options);
  ASSERT_TRUE(data.ok()) << data.error().message();
  const auto split = make_split(*data, {.certify_elsewhere = true});
  ASSERT_TRUE(split.ok());
  const auto rows = cut_training_rows(*data, *split, 1);
  ASSERT_TRUE(rows.ok());
  for (std::size_t i = 0; i < rows->size(); ++i) {
    const auto soft = rows->targets.soft.of(i);
    const bool overruled = rows->from_model[i] == 0 && rows->labels[i] == 1;
    ASSERT_EQ(soft.size(), overruled ? 1U : 2U);
    EXPECT_EQ(soft[0].label, overruled ? 1U : 0U);
    EXPECT_FLOAT_EQ(soft[0].share, overruled ? 1.0F : 0.9F);
  }
}

TEST_F(PickTest, CertificateHasEveryField) {
  request_.targets = {{true, "loan", 0.85}};
  const PickReport report = picked(load(to_csv(make_rows(900, 0.02, 1))));
  ASSERT_TRUE(report.certified);
  const auto document = JsonDocument::parse(written("certificate.json"));
  ASSERT_TRUE(document.ok());
  for (const char* key :
       {"format",      "statement",  "risk",          "alpha",       "delta",   "n_units",    "n_answered",
        "errors",      "coverage",   "p_value",       "lower_bound", "method",  "candidates", "attempts",
        "data_sha256", "split_salt", "bundle_sha256", "precision",   "version", "certified",  "tested",
        "test_sha256", "targets",    "assumptions",   "not_claimed"}) {
    EXPECT_FALSE(document->root().at_key(key).error()) << key;
  }
  ASSERT_EQ(report.certificate->targets.size(), 1U);
  const Certificate::Target target = Bundle::load(request_.out)->certificate->targets.at(0);
  EXPECT_EQ(target.label, "loan");
  EXPECT_LE(target.hits_local, target.n_local);
  EXPECT_EQ(target.n - target.n_local, target.hits - target.hits_local);  // the escalated ones, found by definition
  EXPECT_NEAR(target.p_value, binomial_cdf(target.n - target.hits, target.n, 0.15), 1e-9);
  EXPECT_LE(target.p_value, 0.05);
  EXPECT_GE(report.certificate->p_value, target.p_value);
  ASSERT_EQ(report.local_recalls.size(), 1U);
  EXPECT_EQ(report.local_recalls[0].n, target.n_local);
  EXPECT_EQ(report.local_recalls[0].hits, target.hits_local);
  EXPECT_NE(report.certificate->statement.find("at least 85 % of the units of \"loan\" are found"), std::string::npos);
}

TEST_F(PickTest, IsTheSameAtAnyNumberOfThreads) {
  const Dataset data = load(to_csv(make_rows(700, 0.05, 2)));
  picked(data, 1);
  const std::string bundle = written("bundle.json"), certificate = written("certificate.json");
  request_.force = true;
  request_.state_folder += "2";
  picked(data, 3);
  EXPECT_EQ(written("bundle.json"), bundle);
  EXPECT_EQ(written("certificate.json"), certificate);
}

TEST_F(PickTest, RefusesAndWritesNothing) {
  request_.accuracy = 0.97;
  const PickReport report = picked(load(to_csv(make_rows(700, 0.4, 3))));
  EXPECT_FALSE(report.certified);
  EXPECT_EQ(report.bundle, "");
  EXPECT_EQ(report.policy, "");
  EXPECT_TRUE(left_behind().empty());
  ASSERT_TRUE(report.refusal.has_value());
  EXPECT_FALSE(report.refusal->advice.empty());
  ASSERT_TRUE(report.refusal->certifiable_accuracy.has_value());
  EXPECT_LT(*report.refusal->certifiable_accuracy, 0.97);
  ASSERT_GE(report.rows.size(), 2U);
  EXPECT_EQ(report.rows[0].name, "majority");
  EXPECT_FALSE(report.certificate->certified);
  EXPECT_TRUE(report.certificate->statement.starts_with("Not certified."));
}

TEST_F(PickTest, AllowedUncertifiedSaysSoInTheBundle) {
  request_.accuracy = 0.97;
  request_.allow_uncertified = true;
  const PickReport report = picked(load(to_csv(make_rows(700, 0.4, 3))));
  EXPECT_FALSE(report.certified);
  EXPECT_EQ(report.bundle, request_.out);
  const auto bundle = Bundle::load(request_.out);
  ASSERT_TRUE(bundle.ok()) << bundle.error().message();
  ASSERT_TRUE(bundle->certificate.has_value());
  EXPECT_FALSE(bundle->certificate->certified);
  EXPECT_TRUE(bundle->certificate->statement.starts_with("Not certified."));
}

TEST_F(PickTest, RefusesBeforeTrainingWhenZeroErrorsCouldNotPass) {
  services_.run_memory_mb = [](const std::string&, const std::string&) -> Result<double> {
    ADD_FAILURE() << "something was trained";
    return 1.0;
  };
  request_.accuracy = 0.99;
  const PickReport report = picked(load(to_csv(make_rows(120, 0, 4))));
  EXPECT_FALSE(report.certified);
  ASSERT_TRUE(report.refusal.has_value());
  EXPECT_EQ(report.refusal->units_at_least, 299U);         // (1 - 0.01)^n <= 0.05
  EXPECT_FALSE(report.refusal->units_needed.has_value());  // that is an estimate of another thing
  EXPECT_FALSE(fs::exists(request_.state_folder));         // no look at the rows, no attempt
  EXPECT_TRUE(left_behind().empty());
}

// Certify rows with other texts and labels (their groups, and so the split, stay) must not change what is trained, what
// it is said to cost, or which candidate is tested first.
TEST_F(PickTest, CertifyRowsHaveNoSayBeforeTheTest) {
  const std::vector<Row> rows = make_rows(700, 0.05, 5);
  const auto group = [](std::size_t i) { return "g" + std::to_string(i); };
  const ReadOptions read = {.group_column = "third"};
  const Dataset data = load(to_csv(rows, group), read);
  request_.group_column = "third";
  request_.large_usd_per_row.reset();  // priced by measured tokens
  request_.allow_uncertified = true;
  const Split split = *make_split(data, request_.split);
  std::vector<PickReport> reports = {picked(data)};
  std::vector<std::string> bundles = {written("bundle.json")}, weights = {hashes_of("linear")};
  request_.force = true;
  for (const std::string gibberish : {"zq ", "a much longer story about nothing at all, told twice over, "}) {
    std::vector<Row> changed = rows;
    for (const std::uint32_t row : split.certify) {
      changed[row].text = "\"" + gibberish + std::to_string(row) + "\"";
      changed[row].label = kKinds[row % 2];
    }
    reports.push_back(picked(load(to_csv(changed, group), read)));
    bundles.push_back(written("bundle.json"));
    weights.push_back(hashes_of("linear"));
  }
  EXPECT_FALSE(reports[1].certified);
  EXPECT_EQ(bundles[1], bundles[2]);  // the first of the order, and its rungs
  for (std::size_t i = 1; i < reports.size(); ++i) {
    EXPECT_EQ(weights[i], weights[0]);
    EXPECT_EQ(reports[i].cost.large_usd_per_row, reports[0].cost.large_usd_per_row);
    EXPECT_EQ(reports[i].certificate->candidates, reports[0].certificate->candidates);
    ASSERT_EQ(reports[i].hardest.size(), reports[0].hardest.size());
    for (std::size_t k = 0; k < reports[i].hardest.size(); ++k)
      EXPECT_EQ(reports[i].hardest[k].text, reports[0].hardest[k].text);
    EXPECT_EQ(reports[i].reliability.size(), reports[0].reliability.size());
  }
}

// "abc..": a word of its own for each number, of letters only.
std::string word_of(std::size_t number) {
  std::string word = "q";
  for (int i = 0; i < 4; ++i, number /= 20) word += static_cast<char>('a' + number % 20);
  return word;
}

TEST_F(PickTest, TheSpellerKnowsNoWordOfACertifyRow) {
  std::vector<Row> rows = make_rows(900, 0.02, 1);
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i].text += " " + word_of(i);
  const Dataset data = load(to_csv(rows));
  request_.ladder.static_vectors = true;
  request_.ladder.encoder_folder = std::string(SMIDGEN_SOURCE_DIR) + "/tests/golden/tiny_bert";
  const PickReport report = picked(data);
  ASSERT_TRUE(report.certified);
  EXPECT_TRUE(report.repairs_typos);
  const auto bundle = Bundle::load(request_.out);
  ASSERT_TRUE(bundle.ok()) << bundle.error().message();
  ASSERT_NE(bundle->info.speller, nullptr);
  const std::vector<std::uint64_t>& words = bundle->info.speller->parts().words;
  const auto knows = [&](std::uint32_t row) {
    return std::binary_search(words.begin(), words.end(), spelling_hash(word_of(row)));
  };
  const Split split = *make_split(data, request_.split);
  ASSERT_GT(split.certify.size(), 100U);
  for (const std::uint32_t row : split.certify) EXPECT_FALSE(knows(row)) << word_of(row);
  for (const std::uint32_t row : split.fit) EXPECT_TRUE(knows(row)) << word_of(row);
  for (const std::uint32_t row : split.tune) EXPECT_TRUE(knows(row)) << word_of(row);

  request_.ladder.repair_typos = false;
  request_.force = true;
  EXPECT_FALSE(picked(data).repairs_typos);
  EXPECT_FALSE(fs::exists(request_.out + "/spelling.safetensors"));
  EXPECT_EQ(written("bundle.json").find("typos"), std::string::npos);
}

TEST_F(PickTest, CountsGroupsNotRows) {
  const ReadOptions read = {.group_column = "third"};
  const Dataset data =
      load(to_csv(make_rows(1200, 0, 6), [](std::size_t i) { return "thread " + std::to_string(i / 6); }), read);
  request_.group_column = "third";
  request_.accuracy = 0.8;
  const PickReport report = picked(data);
  const Split split = *make_split(data, request_.split);
  EXPECT_EQ(report.units_fit + report.units_tune + report.units_certify, 200U);
  EXPECT_EQ(report.rows_certify, report.units_certify);
  EXPECT_EQ(report.certificate->n_units, split.units_certify);
  EXPECT_LT(report.certificate->n_units, 120U);
  EXPECT_EQ(report.unit, "value of column `third`");
  ASSERT_TRUE(report.certified);
  EXPECT_NE(report.certificate->statement.find("unit: value of column `third`"), std::string::npos);
}

TEST_F(PickTest, ATestFileCertifiesWithoutWhatWasTrainedOn) {
  const std::vector<Row> rows = make_rows(500, 0.02, 7);
  std::vector<Row> fresh = make_rows(300, 0.02, 8);
  for (std::size_t i = 0; i < 40; ++i) fresh.push_back({"  " + rows[i].text, rows[i].label});  // same unit, other bytes
  fresh.push_back(fresh[0]);                                                                   // one unit, two rows
  const Dataset data = load(to_csv(rows)), test = load(to_csv(fresh));
  request_.test = &test;
  const PickReport report = picked(data);
  ASSERT_TRUE(report.certified);
  EXPECT_EQ(report.units_certify, 300U);
  EXPECT_EQ(report.certificate->n_units, 300U);
  EXPECT_EQ(report.rows_fit + report.rows_tune, 500U);
  EXPECT_TRUE(report.certificate->not_claimed.empty());
  EXPECT_TRUE(report.labels_too_few.empty());
  EXPECT_EQ(report.certificate->data_sha256, data.sha256);
  EXPECT_EQ(report.certificate->test_sha256, test.sha256);
  ASSERT_FALSE(report.notes.empty());
  EXPECT_NE(report.notes[0].find("40 of 340 units"), std::string::npos) << report.notes[0];

  request_.force = true;
  const Dataset unknown = load(to_csv({{"a strange one", "bond"}, {"a known one", "card"}}));
  request_.test = &unknown;
  auto refused = run(data);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().exit_code(), 65);
  EXPECT_NE(refused.error().message().find("data.csv:2"), std::string::npos) << refused.error().message();
  const Dataset same = load(to_csv(rows));
  request_.test = &same;
  EXPECT_EQ(run(data).error().exit_code(), 65);
}

TEST_F(PickTest, SaysWhyUnitsOfATestFileDoNotCertify) {
  const std::vector<Row> rows = make_rows(500, 0.02, 7), fresh = make_rows(360, 0.02, 8);
  std::string csv = "text,label,by,sampled\n";
  for (std::size_t i = 0; i < 360; ++i)
    csv += fresh[i].text + "," + fresh[i].label + (i < 30 ? ",gpt-4o," : ",human,") +
           (i >= 30 && i < 50 ? "chosen\n" : "random\n");
  csv += fresh[50].text + "," + fresh[50].label + ",gpt-4o,chosen\n";  // the unit of a random row
  for (std::size_t i = 0; i < 40; ++i) csv += rows[i].text + "," + rows[i].label + ",human,random\n";
  ReadOptions read;
  read.source_column = "by";
  const Dataset data = load(to_csv(rows)), test = load(csv, read);
  request_.test = &test;
  const PickReport report = picked(data);
  EXPECT_EQ(report.units_certify, 309U);
  ASSERT_FALSE(report.notes.empty());
  EXPECT_EQ(report.notes[0],
            "91 of 400 units of data.csv do not certify: 40 also stand in the training data, 21 have a row that was "
            "chosen, 30 were labelled by a model.");
}

TEST_F(PickTest, ATestFileOfGroupsHasNoChosenRows) {
  const std::vector<Row> rows = make_rows(200, 0, 7), fresh = make_rows(200, 0, 8);
  const auto csv_of = [](const std::vector<Row>& from, const std::string& prefix, std::size_t chosen) {
    std::string csv = "text,label,g,sampled\n";
    for (std::size_t i = 0; i < from.size(); ++i)
      csv += from[i].text + "," + from[i].label + "," + prefix + std::to_string(i / 2) +
             (i < chosen ? ",chosen\n" : ",random\n");
    return csv;
  };
  const ReadOptions read = {.group_column = "g"};
  request_.group_column = "g";
  const Dataset data = load(csv_of(rows, "a", 0), read), chosen = load(csv_of(fresh, "b", 10), read);
  request_.test = &chosen;
  EXPECT_EQ(run(data).error().message(),
            "data.csv: --group does not go with rows sampled as \"chosen\"; leave those out, or certify on random rows "
            "with --test FILE");
  // What the training data has of the test file's groups by choice alone leaves it; other known groups do not certify.
  const Dataset trained = load(csv_of(rows, "b", 100), read), test = load(csv_of(fresh, "b", 0), read);
  request_.test = &test;
  const PickReport report = picked(trained);
  EXPECT_EQ(report.units_certify, 50U);
  EXPECT_EQ(report.rows_fit + report.rows_tune, 100U);
  ASSERT_GE(report.notes.size(), 2U);
  EXPECT_EQ(report.notes[0],
            "50 of 100 units of data.csv were chosen and also stand in data.csv: they are not trained on, so that "
            "choosing does not decide what certifies.");
  EXPECT_EQ(report.notes[1], "50 of 100 units of data.csv do not certify: 50 also stand in the training data.");
}

// Hard texts were chosen to be trained on: a test file drawn at random from the same texts still has them all.
TEST_F(PickTest, ChosenTextsOfATestFileCertify) {
  const std::vector<Row> pool = make_rows(600, 0.02, 7);
  std::string csv = "text,label,sampled\n";
  std::vector<Row> drawn;
  for (std::size_t i = 0; i < 600; ++i) {
    if (i % 4 == 0) drawn.push_back(pool[i]);
    if (i % 4 == 0 || i % 4 == 1) csv += pool[i].text + "," + pool[i].label + (i % 8 == 0 ? ",chosen\n" : ",random\n");
  }
  const Dataset data = load(csv), test = load(to_csv(drawn));
  request_.test = &test;
  const PickReport report = picked(data);
  EXPECT_EQ(report.units_certify, 75U) << "all that were chosen";
  EXPECT_EQ(report.rows_fit + report.rows_tune, 225U);
  // A label that would have no row left to learn from.
  const Dataset more = load(csv + "a bond,bond,chosen\n"), all = load(to_csv(drawn) + "a bond,bond\n");
  request_.test = &all;
  request_.force = true;
  const auto refused = run(more);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().message(),
            "data.csv: every row of label \"bond\" was chosen and also stands in data.csv; label more of it: a text "
            "that certifies is not trained on");
}

TEST_F(PickTest, SaysWhichGroupsShareTexts) {
  std::string csv = "text,label,g\n";
  for (int i = 0; i < 300; ++i)
    csv += fmt::format("{}{},{},{}\n", kKinds[static_cast<std::size_t>(i % 3)], i % 30,
                       kKinds[static_cast<std::size_t>(i % 3)], i);
  request_.group_column = "g";
  const auto assumptions = [&](const std::string& text) {
    const PickReport report = picked(load(text, {.group_column = "g"}));
    EXPECT_TRUE(report.certificate.has_value());
    std::string all;
    for (const std::string& one : report.certificate->assumptions) all += one + "\n";
    request_.force = true;
    return all;
  };
  const std::string shared = assumptions(csv);
  EXPECT_NE(shared.find("groups are drawn independently of each other although they share texts: of the"),
            std::string::npos)
      << shared;
  std::string apart = "text,label,g\n";
  for (const Row& row : make_rows(300, 0, 4)) apart += row.text + "," + row.label + "," + row.text + "\n";
  EXPECT_EQ(assumptions(apart).find("share texts"), std::string::npos);
}

// A label may stand nowhere but in units that certify by another row: it is not learned, and the bundle still runs.
TEST_F(PickTest, ALabelWithoutARowToLearnFromIsSaid) {
  const std::vector<Row> rows = make_rows(500, 0.02, 7);
  const ReadOptions read = {.group_column = "third"};
  const auto group = [](std::size_t i) { return std::to_string(i / 2); };
  const Dataset plain = load(to_csv(rows, group), read);
  const std::uint32_t at = make_split(plain, {})->certify.front();
  std::vector<Row> more = rows;
  more.push_back({"a curious thing", "bond"});
  const auto group_of_all = [&](std::size_t i) { return i < rows.size() ? group(i) : group(at); };
  request_.group_column = "third";
  const PickReport report = picked(load(to_csv(more, group_of_all), read));
  EXPECT_EQ(report.certificate->n_units, make_split(plain, {})->certify.size());
  EXPECT_EQ(report.labels_too_few, std::vector<std::string>{"bond"});
  EXPECT_NE(std::find(report.notes.begin(), report.notes.end(),
                      "No row to learn from: bond. What units that certify hold beside the row that counts is not "
                      "trained on."),
            report.notes.end());
  const Classifier bundle = *Classifier::open(request_.out);
  const std::string_view text = "a curious thing";
  EXPECT_EQ(bundle.session().classify(std::span(&text, 1))[0].probabilities.size(), 4U);
}

TEST_F(PickTest, ALostCountOfAttemptsIsInTheCertificate) {
  const Dataset data = load(to_csv(make_rows(500, 0.02, 7)));
  const auto has = [](const PickReport& report, const char* words) {
    return std::any_of(report.certificate->assumptions.begin(), report.certificate->assumptions.end(),
                       [&](const std::string& one) { return one.find(words) != std::string::npos; });
  };
  EXPECT_TRUE(has(picked(data), "each attempt on the same rows is counted"));
  ASSERT_TRUE(write_file_atomic(request_.state_folder + "/attempts.json", "garbage").ok());
  request_.force = true;
  const PickReport report = picked(data);
  EXPECT_TRUE(has(report, "could not be counted"));
  EXPECT_FALSE(has(report, "each attempt on the same rows is counted"));
  EXPECT_TRUE(has(picked(data), "could not be counted")) << "nor does the next know of those before";
}

TEST_F(PickTest, RiskOverAllAnswersCountsTheLargeModel) {
  const std::vector<Row> rows = make_rows(900, 0.02, 9);
  const Dataset data = load(to_csv(rows, [&](std::size_t i) { return i % 50 == 0 ? "dunno" : rows[i].label; }),
                            {.extra_column = "third"});
  request_.risk_all = true;
  const PickReport report = picked(data);
  ASSERT_TRUE(report.certified);
  EXPECT_EQ(report.certificate->risk, "all");
  EXPECT_NEAR(report.certificate->p_value, binomial_cdf(report.certificate->errors, report.certificate->n_units, 0.1),
              1e-9);
  EXPECT_NE(report.certificate->statement.find("the large model's"), std::string::npos);
  request_.force = true;
  EXPECT_EQ(run(load(to_csv(rows))).error().exit_code(), 64);  // no column of its answers
}

TEST_F(PickTest, AnotherSplitIsRecorded) {
  request_.split.salt = "smidgen-1-0badcafe";
  const PickReport report = picked(load(to_csv(make_rows(700, 0.02, 10))));
  ASSERT_TRUE(report.certificate.has_value());
  EXPECT_EQ(report.certificate->split_salt, "smidgen-1-0badcafe");
  bool said = false;
  for (const std::string& line : report.certificate->assumptions)
    said = said || line.find("drawn anew with the salt smidgen-1-0badcafe") != std::string::npos;
  EXPECT_TRUE(said);
}

// Of rows they were fitted on, rungs are too sure: the share that goes on to the next one, and with it the time and the
// memory of a policy, shows on rows that nothing was fitted on.
TEST_F(PickTest, MeasuresThePolicyOnRowsThatCertify) {
  const Dataset data = load(to_csv(make_rows(900, 0.02, 12)));
  std::string rungs, policy;
  services_.run_memory_mb = [&](const std::string& bundle, const std::string& jsonl) -> Result<double> {
    (fs::path(bundle).filename() == "policy" ? policy : rungs) = *read_file(jsonl, 1 << 20);
    return 12.5;
  };
  ASSERT_TRUE(picked(data).certified);
  const auto lines_of = [&](const std::vector<std::uint32_t>& rows) {
    std::set<std::string> lines;
    for (const std::uint32_t row : rows) lines.insert("{\"text\":\"" + data.texts[row] + "\"}");
    return lines;
  };
  const Split split = *make_split(data, request_.split);
  const std::set<std::string> certify = lines_of(split.certify);
  std::size_t timed = 0;
  for (std::size_t begin = 0; begin < policy.size(); ++timed) {
    const std::size_t end = policy.find('\n', begin);
    EXPECT_EQ(certify.count(policy.substr(begin, end - begin)), 1U);
    begin = end + 1;
  }
  EXPECT_GE(timed, certify.size() / 2);
  EXPECT_LE(timed, 400U);
  EXPECT_EQ(certify.count(rungs.substr(0, rungs.find('\n'))), 0U);
}

TEST_F(PickTest, LeavesNothingAfterAFailureOrAnInterrupt) {
  const Dataset data = load(to_csv(make_rows(500, 0.02, 11)));
  services_.run_memory_mb = [](const std::string&, const std::string&) -> Result<double> {
    return Error::io("no space left on device");
  };
  EXPECT_EQ(run(data).error().exit_code(), 74);
  EXPECT_TRUE(left_behind().empty());
  bool interrupted = false;
  watcher_.cancelled = [&] { return interrupted; };
  services_.run_memory_mb = [&](const std::string&, const std::string&) -> Result<double> {
    interrupted = true;
    return Error::internal("the trial run was interrupted as well");
  };
  EXPECT_EQ(run(data).error().exit_code(), 130);
  EXPECT_TRUE(left_behind().empty());
}

// A ceiling that the rungs keep and the written policy does not is no note beside a certificate: it is a refusal.
TEST_F(PickTest, IsHeldToItsCeilingsAsMeasured) {
  const Dataset data = load(to_csv(make_rows(900, 0.02, 13)));
  services_.run_memory_mb = [](const std::string& bundle, const std::string&) -> Result<double> {
    return fs::path(bundle).filename() == "policy" ? 80.0 : 12.5;
  };
  request_.memory_mb_max = 50;
  PickReport report = picked(data);
  EXPECT_FALSE(report.certified);
  ASSERT_TRUE(report.refusal.has_value());
  EXPECT_NE(report.refusal->reason.find("takes 80 MB as measured here; at most 50 MB were asked"), std::string::npos)
      << report.refusal->reason;
  EXPECT_TRUE(left_behind().empty());
  request_.allow_uncertified = true;
  report = picked(data);
  EXPECT_FALSE(report.certified);
  ASSERT_EQ(left_behind(), std::set<std::string>{"a.smidgen"});
  EXPECT_FALSE(Classifier::open(request_.out)->bundle().certificate->certified);
  request_.force = true;
  request_.memory_mb_max = 80;
  EXPECT_TRUE(picked(data).certified);
  request_.latency_ms_max = 1e-6;
  report = picked(data);
  EXPECT_FALSE(report.certified) << "no rung keeps within, which is known before the test";
  EXPECT_NE(report.refusal->advice.back().find(" ms a row (p99) and 13 MB."), std::string::npos)
      << report.refusal->advice.back();
}

TEST_F(PickTest, LearnsAtOnceThatAnotherPickWritesThere) {
  const Dataset data = load(to_csv(make_rows(500, 0.02, 14)));
  int trained = 0;
  services_.run_memory_mb = [&](const std::string&, const std::string&) -> Result<double> {
    ThreadPool pool(1);
    PickServices others = services_;
    others.run_memory_mb = [](const std::string&, const std::string&) -> Result<double> {
      ADD_FAILURE() << "something was trained";
      return 1.0;
    };
    if (trained++ == 0) {
      EXPECT_EQ(pick(data, request_, others, pool, watcher_).error().exit_code(), 75);
    }
    return 12.5;
  };
  EXPECT_TRUE(run(data).ok());
  EXPECT_GT(trained, 0);
}

TEST_F(PickTest, AsksForAPlaceBeforeTheWork) {
  services_.run_memory_mb = [](const std::string&, const std::string&) -> Result<double> {
    ADD_FAILURE() << "something was trained";
    return 1.0;
  };
  const Dataset data = load(to_csv(make_rows(500, 0.02, 12)));
  fs::create_directory(request_.out);
  ASSERT_TRUE(write_file_atomic(request_.out + "/thesis.txt", "years of work").ok());
  EXPECT_EQ(run(data).error().exit_code(), 73);
  request_.force = true;  // replaces bundles, not a folder of somebody's work
  EXPECT_EQ(run(data).error().exit_code(), 73);
  EXPECT_TRUE(fs::exists(request_.out + "/thesis.txt"));
  request_.out = folder_ + "/nowhere/a.smidgen";
  const auto refused = run(data);
  EXPECT_EQ(refused.error().exit_code(), 73);
  EXPECT_NE(refused.error().message().find("does not exist"), std::string::npos);
  request_.out = folder_ + "/b.smidgen";
  request_.accuracy = 1;
  EXPECT_EQ(run(data).error().exit_code(), 64);
  request_.accuracy = 0.9;
  request_.large_usd_per_row = 0;
  EXPECT_EQ(run(data).error().exit_code(), 64);
  request_.large_usd_per_row = 1e-4;
  request_.targets = {{true, "bond", 0.9}};
  EXPECT_EQ(run(data).error().exit_code(), 64);
}

}  // namespace
}  // namespace smidgen
