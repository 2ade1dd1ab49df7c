#include "smidgen/text/dataset.h"

#include <gtest/gtest.h>
#include <unistd.h>
#include <utf8proc.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>

#include "smidgen/base/file.h"
#include "smidgen/base/random.h"
#include "smidgen/base/sha256.h"

namespace smidgen {
namespace {

Dataset dataset_of(std::string_view bytes, const ReadOptions& options = {}) {
  auto data = Dataset::from_memory(bytes, "f.csv", options);
  EXPECT_TRUE(data.ok()) << data.error().message();
  return data.ok() ? std::move(*data) : Dataset{};
}

std::string error_of(std::string_view bytes, const ReadOptions& options = {}) {
  const auto data = Dataset::from_memory(bytes, "f.csv", options);
  EXPECT_TRUE(data.ok() || data.error().kind() == ErrorKind::kBadData);
  return data.ok() ? "ok" : data.error().message();
}

using Numbers = std::vector<std::uint32_t>;

TEST(NormaliseForUnit, FoldsFormCaseAndSpace) {
  EXPECT_EQ(normalise_for_unit("  Hello \t\r\n WORLD  "), "hello world");
  EXPECT_EQ(normalise_for_unit("\xef\xbc\xa8\xef\xbd\x89"), "hi") << "full width";
  EXPECT_EQ(normalise_for_unit("STRASSE"), normalise_for_unit("stra\xc3\x9f"
                                                              "e"));
  EXPECT_EQ(normalise_for_unit("e\xcc\x81"), "\xc3\xa9") << "composed";
  EXPECT_EQ(normalise_for_unit("a\xc2\xa0\xe3\x80\x80\xe2\x80\xa8"
                               "b\xe2\x80\x83"),
            "a b")
      << "no-break, wide, line separator";
  EXPECT_EQ(normalise_for_unit("so\xc2\xad"
                               "ft\xe2\x80\x8b"),
            "soft")
      << "soft hyphen, zero width space";
  EXPECT_EQ(normalise_for_unit("\xff\xc3"), "\xff\xc3") << "invalid UTF-8 comes back";
  EXPECT_EQ(normalise_for_unit(std::string_view("A\0B\xc3\x89", 5)), std::string_view("a\0b\xc3\xa9", 5));
  EXPECT_EQ(normalise_for_unit(""), "");
}

TEST(NormaliseForUnit, IsStableForEveryCharacter) {
  for (utf8proc_int32_t point = 1; point < 0x110000; ++point) {
    if (point >= 0xd800 && point < 0xe000) continue;
    const bool uniform = (point >= 0x3400 && point < 0xd800) || point >= 0x30000;  // ideographs, syllables, unassigned
    if (uniform && point % 97 != 0) continue;
    utf8proc_uint8_t bytes[4];
    const auto size = utf8proc_encode_char(point, bytes);
    const std::string text =
        "x" + std::string(reinterpret_cast<char*>(bytes), static_cast<std::size_t>(size)) + "\xcc\x81y";
    const std::string once = normalise_for_unit(text);
    ASSERT_EQ(normalise_for_unit(once), once) << std::hex << point;
    ASSERT_EQ(normalise_for_unit_reference(text), once) << std::hex << point;
  }
}

TEST(NormaliseForUnit, AgreesWithTheWholeTextAtOnce) {
  static constexpr const char* kPieces[] = {"a",
                                            "E",
                                            " ",
                                            "\t",
                                            "xY",
                                            "\xcc\x81",
                                            "\xcc\xa7",
                                            "\xc3\x89",
                                            "\xc2\xa0",
                                            "\xe1\x84\x80",
                                            "\xe1\x85\xa1",
                                            "\xe1\x86\xa8",
                                            "\xef\xac\x81",
                                            "\xe2\x84\xab",
                                            "\xe2\x80\x8d",
                                            "\xcd\x85",
                                            "\xe1\xbe\xb3",
                                            "\xf0\x9f\x98\x80",
                                            "\xc4\xb0",
                                            "\xe0\xbd\xb2",
                                            "\xe0\xbd\xb1",
                                            "\xff"};
  Random random(8);
  for (int round = 0; round < 20000; ++round) {
    std::string text;
    for (std::uint64_t pieces = random.below(9); pieces > 0; --pieces)
      text += kPieces[random.below(random.below(30) == 0 ? 22 : 21)];
    ASSERT_EQ(normalise_for_unit(text), normalise_for_unit_reference(text)) << testing::PrintToString(text);
  }
}

TEST(Dataset, LoadsRowsLabelsAndUnits) {
  const Dataset data = dataset_of("label,text\n z ,One\na,two\nz, one \n\n\"z\",\"three\nlines\"\n");
  EXPECT_EQ(data.texts, (std::vector<std::string>{"One", "two", " one ", "three\nlines"}));
  EXPECT_EQ(data.label_names, (std::vector<std::string>{"a", "z"}));
  EXPECT_EQ(data.labels, (Numbers{1, 0, 1, 1}));
  EXPECT_EQ(data.units, (Numbers{0, 1, 0, 2}));
  EXPECT_EQ(data.lines, (std::vector<std::uint64_t>{2, 3, 4, 6}));
  EXPECT_EQ(data.unit_keys[0], unit_key("ONE"));
  EXPECT_FALSE(data.grouped);
}

TEST(Dataset, UnitsAreGroupsWhenAsked) {
  ReadOptions options;
  options.group_column = "g";
  options.time_column = "t";
  options.extra_column = "x";
  const Dataset data = dataset_of("label,text,g,t,x\na,1,u,2024,p\nb,1,v,2025,\na,2,u,2023,q\n", options);
  EXPECT_TRUE(data.grouped);
  EXPECT_EQ(data.units, (Numbers{0, 1, 0}));
  EXPECT_EQ(data.unit_keys, (std::vector<std::string>{"u", "v"}));
  EXPECT_EQ(data.times, (std::vector<std::string>{"2024", "2025", "2023"}));
  EXPECT_EQ(data.extras, (std::vector<std::string>{"p", "", "q"}));
}

TEST(Dataset, WhatPlanAskedForMayEndUnlabelled) {
  const Dataset data = dataset_of("label,text,sampled\na,1,random\nb,2,chosen\n,3,random\n ,4,chosen\n");
  EXPECT_EQ(data.size(), 2U);
  EXPECT_EQ(data.rows_unlabelled, 2U);
  const std::string refused = "f.csv:3: the label is empty; label the row or remove it";
  EXPECT_EQ(error_of("label,text,sampled\na,1,random\n,2,random\nb,3,random\n"), refused) << "a gap";
  EXPECT_EQ(error_of("label,text,sampled\na,1,random\n,2,\n"), refused) << "not of a plan";
  EXPECT_EQ(error_of("label,text,sampled\n,1,random\n"), "f.csv:2: the label is empty; label the row or remove it");
}

TEST(Dataset, KnowsWhichRowsWereChosen) {
  const Dataset data = dataset_of("label,text,sampled\na,1,\nb,2,random\na,3, chosen \nb,4,random\n");
  EXPECT_EQ(data.chosen, (std::vector<std::uint8_t>{0, 0, 1, 0}));
  EXPECT_TRUE(dataset_of("label,text,sampled\na,1,\nb,2,random\n").chosen.empty());
  EXPECT_TRUE(dataset_of("label,text\na,1\nb,2\n").chosen.empty());
  const auto lines = Dataset::from_memory(
      "{\"text\": \"1\", \"label\": \"a\", \"sampled\": \"chosen\"}\n{\"text\": \"2\", \"label\": \"b\"}\n", "x.jsonl",
      {});
  ASSERT_TRUE(lines.ok()) << lines.error().message();
  EXPECT_EQ(lines->chosen, (std::vector<std::uint8_t>{1, 0}));
  EXPECT_EQ(select_rows(data, std::vector<std::uint32_t>{3, 2}).chosen, (std::vector<std::uint8_t>{0, 1}));
  const Dataset plain = dataset_of("label,text\na,7\nb,8\n");
  EXPECT_EQ(merge_datasets(plain, data)->chosen, (std::vector<std::uint8_t>{0, 0, 0, 0, 1, 0}));
  EXPECT_EQ(merge_datasets(data, plain)->chosen, (std::vector<std::uint8_t>{0, 0, 1, 0, 0, 0}));
  const auto wrong = Dataset::from_memory("label,text,sampled\na,1,yes\n", "x.csv", {});
  ASSERT_FALSE(wrong.ok());
  EXPECT_EQ(
      wrong.error().message(),
      "x.csv:2: column \"sampled\" says \"yes\"; it says how a row was drawn, \"random\" or \"chosen\"; rename the "
      "column if it means something else");
  // A column of that name that is the label, or the text, means just that.
  ReadOptions options;
  options.label_column = "sampled";
  EXPECT_EQ(dataset_of("text,sampled\n1,yes\n2,no\n", options).label_names, (std::vector<std::string>{"no", "yes"}));
}

TEST(Dataset, ReadsAProbabilityForEachLabel) {
  ReadOptions options;
  options.soft_column = "probabilities";
  const std::string lines =
      "{\"text\":\"1\",\"label\":\"b\",\"probabilities\":{\"b\":0.6,\"a\":0.2,\"never\":0.2}}\n"
      "{\"text\":\"2\",\"probabilities\":{\"a\":0.9,\"b\":0.05}}\n"  // no label: the likeliest
      "{\"text\":\"3\",\"label\":\"b\",\"probabilities\":null}\n";
  const auto data = Dataset::from_memory(lines, "x.jsonl", options);
  ASSERT_TRUE(data.ok()) << data.error().message();
  EXPECT_EQ(data->label_names, (std::vector<std::string>{"a", "b"}));  // not "never", which no row has
  EXPECT_EQ(data->labels, (Numbers{1, 0, 1}));
  const auto shares = [&](const Dataset& of, std::size_t row) {
    std::vector<std::pair<std::uint32_t, float>> out;
    for (const SoftLabel& entry : of.soft.of(row)) out.emplace_back(entry.label, std::round(entry.share * 1000) / 1000);
    return out;
  };
  using Shares = std::vector<std::pair<std::uint32_t, float>>;
  EXPECT_EQ(shares(*data, 0), (Shares{{1, 0.75F}, {0, 0.25F}}));
  EXPECT_EQ(shares(*data, 1), (Shares{{0, 0.947F}, {1, 0.053F}}));
  EXPECT_EQ(shares(*data, 2), (Shares{{1, 1.0F}}));
  // Who has probabilities and does not say whose, has them from a model.
  EXPECT_EQ(label_sources(*data).human_rows, (Numbers{2}));
  EXPECT_EQ(label_sources(*data).models, "an unnamed model");

  const Dataset two = select_rows(*data, std::vector<std::uint32_t>{1, 0});
  EXPECT_EQ(shares(two, 1), shares(*data, 0));
  const auto csv = Dataset::from_memory("text,label,probabilities\n7,a,\"{\"\"aa\"\": 0.25, \"\"a\"\": 0.5}\"\n8,aa,\n",
                                        "x.csv", options);
  ASSERT_TRUE(csv.ok()) << csv.error().message();
  const auto both = merge_datasets(*data, *csv);  // labels a, aa, b
  ASSERT_TRUE(both.ok());
  EXPECT_EQ(shares(*both, 0), (Shares{{2, 0.75F}, {0, 0.25F}}));
  EXPECT_EQ(shares(*both, 3), (Shares{{0, 0.667F}, {1, 0.333F}}));
  EXPECT_EQ(label_sources(*both).model_rows, 3U);

  for (const char* bad : {"{\"a\":1.5}", "{\"a\":-1}", "{\"a\":0.9,\"b\":0.9}", "{}", "{\"a\":\"x\"}", "[1]", "{"}) {
    const auto wrong = Dataset::from_memory(
        "{\"text\":\"1\",\"label\":\"a\",\"probabilities\":" + std::string(bad) + "}\n", "x.jsonl", options);
    ASSERT_FALSE(wrong.ok()) << bad;
    EXPECT_EQ(wrong.error().kind(), ErrorKind::kBadData);
    EXPECT_EQ(*wrong.error().line(), 1U) << bad;
  }
}

// 1e-50 is above 0 as a double and 0 as a float, 1e-45 the least float.
TEST(Dataset, ScalesTheLeastProbabilities) {
  ReadOptions options;
  options.soft_column = "p";
  const auto data = Dataset::from_memory(
      "{\"text\":\"1\",\"label\":\"a\",\"p\":{\"a\":1e-50,\"other\":0.9}}\n"  // nothing of a row's label
      "{\"text\":\"2\",\"label\":\"b\",\"p\":{\"a\":1e-45,\"b\":1e-50}}\n"
      "{\"text\":\"3\",\"label\":\"b\",\"p\":{\"a\":0.25,\"b\":0.25,\" a \":0.5}}\n"
      "{\"text\":\"4\",\"p\":{\"b\":0.4,\"a\":0.3,\" a\":0.3}}\n",
      "x.jsonl", options);
  ASSERT_TRUE(data.ok()) << data.error().message();
  EXPECT_EQ(data->labels, (Numbers{0, 1, 1, 0}));
  const std::vector<std::vector<SoftLabel>> wanted = {
      {{0, 1.0F}}, {{0, 1.0F}}, {{0, 0.75F}, {1, 0.25F}}, {{0, 0.6F}, {1, 0.4F}}};
  for (std::size_t row = 0; row < wanted.size(); ++row) {
    ASSERT_EQ(data->soft.of(row).size(), wanted[row].size()) << row;
    for (std::size_t i = 0; i < wanted[row].size(); ++i) {
      EXPECT_EQ(data->soft.of(row)[i].label, wanted[row][i].label) << row;
      EXPECT_FLOAT_EQ(data->soft.of(row)[i].share, wanted[row][i].share) << row;
    }
  }
  for (const char* none : {"{}", "{\"a\":0}", "{\"a\":1e-50}"})
    EXPECT_EQ(
        Dataset::from_memory("{\"text\":\"1\",\"label\":\"a\",\"p\":" + std::string(none) + "}\n", "x.jsonl", options)
            .error()
            .message(),
        "x.jsonl:1: no probability is above 0")
        << none;
}

// A row without a label takes none from the row before, whichever format says it.
TEST(Dataset, ReadsProbabilitiesWithoutALabelColumn) {
  ReadOptions options;
  options.soft_column = "p";
  options.source_column = "by";
  const Dataset csv = dataset_of(
      "text,p,by\n1,\"{\"\"a\"\":0.9}\",x\n2,\"{\"\"b\"\":0.8}\",y\n3,\"{\"\"a\"\":0.7}\",x\n4,\"{\"\"b\"\":0.6}\",\n",
      options);
  const auto lines = Dataset::from_memory(
      "{\"text\":\"1\",\"p\":{\"a\":0.9},\"by\":\"x\"}\n{\"text\":\"2\",\"p\":{\"b\":0.8},\"by\":\"y\"}\n"
      "{\"text\":\"3\",\"p\":{\"a\":0.7},\"by\":\"x\"}\n{\"text\":\"4\",\"p\":{\"b\":0.6},\"by\":null}\n",
      "x.jsonl", options);
  ASSERT_TRUE(lines.ok()) << lines.error().message();
  EXPECT_EQ(csv.labels, (Numbers{0, 1, 0, 1}));
  EXPECT_EQ(lines->labels, csv.labels);
  EXPECT_EQ(csv.source_names, (std::vector<std::string>{"an unnamed model", "x", "y"}));
  EXPECT_EQ(csv.sources, (Numbers{1, 2, 1, 0}));
  EXPECT_EQ(lines->sources, csv.sources);
  options.source_column.clear();
  EXPECT_EQ(error_of("text,p\n1,\"{\"\"a\"\":0.9}\"\n2,\"{\"\"a\"\":0.9}\"\n3,\n", options),
            "f.csv:4: neither a label nor probabilities; label the row or remove it");
  EXPECT_EQ(Dataset::from_memory("{\"text\":\"1\",\"p\":null}\n", "x.jsonl", options).error().message(),
            "x.jsonl:1: neither a label nor probabilities; label the row or remove it");
}

TEST(Dataset, KnowsWhoGaveTheLabels) {
  ReadOptions options;
  options.source_column = "by";
  const Dataset data = dataset_of("text,label,by\n1,a,Human\n2,b,gpt-4o\n3,a,\n4,b,claude\n", options);
  LabelSources sources = label_sources(data);
  EXPECT_EQ(sources.human_rows, (Numbers{0, 2}));
  EXPECT_EQ(sources.model_rows, 2U);
  EXPECT_EQ(sources.models, "claude and gpt-4o");
  EXPECT_EQ(label_sources(select_rows(data, std::vector<std::uint32_t>{1, 0})).models, "gpt-4o");
  options.labels_from = "claude";
  EXPECT_EQ(label_sources(dataset_of("text,label,by\n1,a,human\n2,b,\n", options)).model_rows, 1U);
  EXPECT_EQ(label_sources(dataset_of("text,label\n1,a\n2,b\n")).human_rows, (Numbers{0, 1}));
}

TEST(Dataset, ReadsAFileOnceAndHashesIt) {
  const std::string path = testing::TempDir() + "smidgen_dataset_test." + std::to_string(::getpid()) + ".csv";
  std::string bytes = "\xef\xbb\xbftext,label\n";
  for (int row = 0; row < 20000; ++row)
    bytes += "text number " + std::to_string(row / 2) + "," + (row % 3 == 0 ? "a" : "b") + "\r\n";
  ASSERT_TRUE(write_file_atomic(path, bytes).ok());
  const auto data = Dataset::load(path, {});
  std::filesystem::remove(path);
  ASSERT_TRUE(data.ok()) << data.error().message();
  EXPECT_EQ(data->sha256, sha256_hex(bytes));
  EXPECT_EQ(data->bytes, bytes.size());
  EXPECT_EQ(data->path, path);
  EXPECT_EQ(data->size(), 20000U);
  EXPECT_EQ(data->unit_keys.size(), 10000U);
}

TEST(Dataset, NamesWhatIsWrong) {
  EXPECT_EQ(error_of(""), "f.csv: is empty; the first line must name the columns, one row a line below");
  EXPECT_EQ(error_of("text,label\n"), "f.csv: has no rows; write at least two labelled rows");
  EXPECT_EQ(error_of("text,label\na,x\nb, x \n"),
            "f.csv: every row has the label \"x\"; there is nothing to tell apart: at least two labels are needed");
  EXPECT_EQ(error_of("text,label\na,x\nb,  \n"), "f.csv:3: the label is empty; label the row or remove it");
  EXPECT_EQ(error_of("text,label\na,x\nb\n"),
            "f.csv:3: 1 column, but the header has 2 columns (byte 15); an empty field still needs its comma");
  EXPECT_EQ(error_of("text,label\na," + std::string(5000, 'x') + "\n"),
            "f.csv:2: the label has more than 4096 bytes; is --label-column right?");
  ReadOptions options;
  options.group_column = "g";
  EXPECT_EQ(error_of("text,label,g\na,x,1\nb,y,\n", options), "f.csv:3: the group is empty");
  options = {};
  options.time_column = "t";
  EXPECT_EQ(error_of("text,label,t\na,x,1\nb,y, \n", options), "f.csv:3: the time is empty");
  EXPECT_EQ(error_of("text,class\na,x\n"),
            "f.csv:1: no column \"label\"; the columns are \"text\", \"class\" (byte 0); pass --label-column NAME; the "
            "first line must name the columns");
  EXPECT_EQ(Dataset::load("/nonexistent.csv", {}).error().kind(), ErrorKind::kNoInput);
  std::string many = "text,label\n";
  for (int row = 0; row < 65537; ++row) many += "t,l" + std::to_string(row) + "\n";
  EXPECT_EQ(error_of(many), "f.csv:65538: more than 65536 different labels; is --label-column right?");
}

TEST(Dataset, SelectsMergesAndFindsSharedUnits) {
  const Dataset a = dataset_of("text,label\none,x\ntwo,y\nONE,x\nthree,x\n");
  const Dataset b = dataset_of("text,label\nTwo,a\nfour,x\n");
  const Numbers rows = {3, 2};
  const Dataset chosen = select_rows(a, rows);
  EXPECT_EQ(chosen.texts, (std::vector<std::string>{"three", "ONE"}));
  EXPECT_EQ(chosen.units, (Numbers{0, 1}));
  EXPECT_EQ(chosen.unit_keys, (std::vector<std::string>{unit_key("three"), unit_key("one")}));
  EXPECT_EQ(chosen.lines, (std::vector<std::uint64_t>{5, 4}));
  const auto both = merge_datasets(a, b);
  ASSERT_TRUE(both.ok());
  EXPECT_EQ(both->label_names, (std::vector<std::string>{"a", "x", "y"}));
  EXPECT_EQ(both->labels, (Numbers{1, 2, 1, 1, 0, 1}));
  EXPECT_EQ(both->units, (Numbers{0, 1, 0, 2, 1, 3}));
  EXPECT_EQ(rows_sharing_units(a, b), (Numbers{1}));
  EXPECT_EQ(rows_sharing_units(a, a), (Numbers{0, 1, 2, 3}));
  Dataset grouped = a;
  grouped.grouped = true;
  EXPECT_EQ(merge_datasets(a, grouped).error().kind(), ErrorKind::kUsage);
}

TEST(DataReport, CountsRepeatsConflictsAndWords) {
  const Dataset data = dataset_of("text,label\none two,x\nONE  two,y\none two,x\nthree,x\n ,y\nfour five six,x\n");
  const DataReport report = report_on(data);
  EXPECT_EQ(report.rows, 6U);
  EXPECT_EQ(report.units, 4U);
  EXPECT_EQ(report.rows_repeated, 2U);
  EXPECT_EQ(report.rows_conflicting, 3U);
  EXPECT_EQ(report.conflicts, (std::vector<std::pair<std::uint64_t, std::uint64_t>>{{2, 3}}));
  EXPECT_EQ(report.rows_empty, 1U);
  EXPECT_EQ(report.words_p50, 2);
  EXPECT_EQ(report.words_p95, 3);
  EXPECT_EQ(report.words_max, 3);
  ASSERT_EQ(report.labels.size(), 2U);
  EXPECT_EQ(report.labels[0].label, "x");
  EXPECT_EQ(report.labels[0].rows, 4U);
  EXPECT_EQ(report.labels[0].units, 3U);
  EXPECT_EQ(
      report.warnings,
      (std::vector<std::string>{
          "3 rows have a text that also stands under another label, first on lines 2 and 3: no model can get both "
          "right.",
          "1 row has an empty text."}));
  const auto conflicts = find_conflicts(data);
  ASSERT_EQ(conflicts.size(), 1U);
  EXPECT_EQ(conflicts[0].first_row, 0U);
  EXPECT_EQ(conflicts[0].row, 1U);
  EXPECT_EQ(rows_without_conflicts(data), (Numbers{3, 4, 5}));
}

TEST(DataReport, WarnsOfGroupsBalanceAndLabelSpelling) {
  std::string csv = "text,label,g\n";
  for (int row = 0; row < 30; ++row)
    csv += "t" + std::to_string(row / 2) + "," +
           (row == 7   ? "Spam"
            : row == 9 ? "spam"
                       : "ham") +
           "," + (row < 12 ? "big" : std::to_string(row)) + "\n";
  ReadOptions options;
  options.group_column = "g";
  const DataReport report = report_on(dataset_of(csv, options));
  EXPECT_EQ(report.rows_repeated, 15U) << "repeats are of texts, also when units are groups";
  EXPECT_EQ(report.rows_conflicting, 4U);
  EXPECT_EQ(
      report.warnings,
      (std::vector<std::string>{
          "93.3 % of the rows have the label \"ham\": accuracy says little here, look at the per-label table.",
          "the labels \"Spam\" and \"spam\" differ only in case, spacing or form: one label, or two?",
          "4 rows have a text that also stands under another label, first on lines 8 and 9: no model can get both "
          "right.",
          "one group holds 40.0 % of the rows: it counts as one unit, and the rest has to carry the certificate."}));
}

TEST(Dataset, LoadsRealSets) {
  const char* folder = std::getenv("SMIDGEN_DATA");
  const std::string path =
      (folder != nullptr ? folder : SMIDGEN_SOURCE_DIR "/../shared/data") + std::string("/banking77/train.csv");
  if (!std::filesystem::exists(path))
    GTEST_SKIP()
        << "set SMIDGEN_DATA to a folder that holds banking77/train.csv (PolyAI banking77, columns text,label)";
  const auto data = Dataset::load(path, {});
  ASSERT_TRUE(data.ok()) << data.error().message();
  EXPECT_EQ(data->size(), 10003U);
  EXPECT_EQ(data->label_names.size(), 77U);
  EXPECT_EQ(data->sha256, *sha256_file(path));
}

}  // namespace
}  // namespace smidgen
