// The table, the JSON, the model card and the page of sample reports. What they look like stands in
// tests/golden/pick_*; after a wanted change: SMIDGEN_UPDATE_GOLDEN=1 build/release/smidgen_tests
// --gtest_filter='Pick*', then read the diff.
#include <gtest/gtest.h>

#include <cstdlib>

#include "smidgen/app/model_card.h"
#include "smidgen/app/pick_json.h"
#include "smidgen/app/pick_page.h"
#include "smidgen/app/pick_page_assets.h"
#include "smidgen/app/pick_sample.h"
#include "smidgen/app/pick_table.h"
#include "smidgen/base/file.h"
#include "smidgen/base/json.h"
#include "smidgen/base/sha256.h"

namespace smidgen {
namespace {

void expect_golden(const std::string& name, const std::string& actual) {
  const std::string path = std::string(SMIDGEN_SOURCE_DIR) + "/tests/golden/" + name;
  if (std::getenv("SMIDGEN_UPDATE_GOLDEN") != nullptr) {
    ASSERT_TRUE(write_file_atomic(path, actual).ok());
  }
  const auto expected = read_file(path, 1 << 20);
  ASSERT_TRUE(expected.ok()) << expected.error().message();
  EXPECT_EQ(actual, *expected) << "if this change is wanted: SMIDGEN_UPDATE_GOLDEN=1";
}

std::size_t longest_line(const std::string& text) {
  std::size_t longest = 0, at = 0;
  while (at < text.size()) {
    const std::size_t end = text.find('\n', at);
    longest = std::max(longest, end - at);
    at = end + 1;
  }
  return longest;
}

std::string without_colour(std::string text) {
  for (std::size_t at = text.find('\x1b'); at != std::string::npos; at = text.find('\x1b'))
    text.erase(at, text.find('m', at) - at + 1);
  return text;
}

TEST(PickTable, ShowsACertifiedPick) {
  expect_golden("pick_certified.txt", render_pick_table(sample::certified(), false, 100));
  expect_golden("pick_targets.txt", render_pick_table(sample::with_targets(), false, 100));
}

TEST(PickTable, RefusesWithoutRoundingUp) {
  const std::string text = render_pick_table(sample::refused(), false, 100);
  expect_golden("pick_refused.txt", text);
  EXPECT_EQ(text.find("100.0 %"), std::string::npos);
  EXPECT_NE(text.find("These rows show at least 0.949 for it, with 97.5 % confidence; asked was 0.950"),
            std::string::npos)
      << text;
  EXPECT_EQ(text.find("certified: "), text.find("not certified: ") + 4);
}

TEST(PickTable, ColourChangesNoOtherCharacter) {
  for (const auto& report : {sample::certified(), sample::refused(), sample::hostile()}) {
    const std::string coloured = render_pick_table(report, true, 90);
    EXPECT_NE(coloured, render_pick_table(report, false, 90));
    EXPECT_EQ(without_colour(coloured), render_pick_table(report, false, 90));
  }
}

TEST(PickTable, WrapsSentencesAndDefusesControls) {
  for (const std::size_t width : {80, 100, 120})
    EXPECT_LE(longest_line(render_pick_table(sample::certified(), false, width)), width);
  const std::string text = render_pick_table(sample::hostile(), false, 100);
  for (const char c : text) EXPECT_TRUE(c == '\n' || static_cast<unsigned char>(c) >= 0x20);
  EXPECT_EQ(text.find("\xe2\x80\xa8"), std::string::npos);
  EXPECT_EQ(text.find(std::string(100, 'L')), std::string::npos);
}

TEST(PickTable, WorksWhenNothingWasTrained) {
  const std::string text = render_pick_table(sample::untrained(), false, 80);
  EXPECT_NE(text.find("not certified: even without one error"), std::string::npos) << text;
  EXPECT_EQ(text.find("nearest:"), std::string::npos);
  EXPECT_EQ(text.find("p50"), std::string::npos);
  EXPECT_FALSE(render_pick_table(PickReport{}, false, 0).empty());
}

TEST(PickTable, SaysWhichAnswersTheCertificateIsAbout) {
  PickReport report = sample::certified();
  EXPECT_NE(render_pick_table(report, false, 0).find("95 % of the answers given locally are right"), std::string::npos);
  report.certificate->risk = "all";
  EXPECT_NE(render_pick_table(report, false, 0).find("95 % of all answers, the large model's included, are right"),
            std::string::npos);
}

TEST(PickTable, GivesPricesByHandTheirFlag) {
  PickReport report = sample::certified();
  report.cost.price_date = "--large-usd-per-1k-rows";
  EXPECT_NE(render_pick_table(report, false, 0).find("(price given by --large-usd-per-1k-rows)"), std::string::npos);
}

TEST(PickJson, HasTheFieldsOthersRelyOnInOrder) {
  const std::string text = pick_json(sample::with_targets());
  const auto document = JsonDocument::parse(text);
  ASSERT_TRUE(document.ok()) << document.error().message();
  const auto root = document->root();
  std::size_t last = 0;
  for (const char* key : {"certified", "bundle", "data", "split", "rungs", "policy", "coverage", "certificate"}) {
    EXPECT_TRUE(json_has(root, key)) << key;
    const std::size_t at = text.find("\"" + std::string(key) + "\":", last);
    ASSERT_NE(at, std::string::npos) << key;
    last = at;
  }
  const auto rung = root["rungs"].at(3).value();
  for (const char* key : {"accuracy", "accuracy_low", "accuracy_high", "us_p50", "us_p99", "bytes", "memory_mb",
                          "train_seconds", "usd_per_million"})
    EXPECT_TRUE(json_has(rung, key)) << key;
  EXPECT_EQ(*json_string(rung, "rung"), "encoder");
  EXPECT_EQ(*json_number(rung, "accuracy", 0, 1), 0.9426);
  EXPECT_EQ(*json_integer(root["certificate"].value(), "errors", 0, 100), 63);
  EXPECT_EQ(*json_string(root, "policy"), "linear -> encoder");
  EXPECT_TRUE(root["refusal"].is_null());
}

TEST(PickViews, NeverCallAgreementWithAModelAccuracy) {
  PickReport report = sample::certified();
  report.labels_from = "gpt-4o";
  const std::string card = render_model_card(report), table = render_pick_table(report, false, 200);
  EXPECT_EQ(card.find("type: accuracy"), std::string::npos);
  EXPECT_NE(card.find("| rung | agreement with gpt-4o |"), std::string::npos);
  EXPECT_NE(table.find("agreement (95 % interval)"), std::string::npos);
  EXPECT_NE(table.find("the answers given locally agree with gpt-4o"), std::string::npos);
  EXPECT_EQ(table.find("accuracy"), std::string::npos);
}

TEST(PickJson, IsDocumented) {
  const auto page = read_file(std::string(SMIDGEN_SOURCE_DIR) + "/docs/pick_json.md", 1 << 20);
  ASSERT_TRUE(page.ok()) << page.error().message();
  const auto document = JsonDocument::parse(pick_json(sample::with_targets()));
  const simdjson::dom::object root = document->root();
  for (const auto [key, value] : root)
    EXPECT_NE(page->find("| `" + std::string(key) + "` |"), std::string::npos) << key << " is not in docs/pick_json.md";
}

TEST(PickJson, RefusedHasNullsAndAdvice) {
  const auto document = JsonDocument::parse(pick_json(sample::refused()));
  ASSERT_TRUE(document.ok());
  EXPECT_FALSE(*json_bool(document->root(), "certified"));
  EXPECT_TRUE(document->root()["bundle"].is_null());
  EXPECT_TRUE(document->root()["certificate"].is_null());
  EXPECT_EQ(*json_integer(document->root()["refusal"].value(), "units_needed", 0, 1 << 30), 1240);
}

TEST(PickJson, NotesSayHowOftenTheRowsWereAsked) {
  PickReport report = sample::certified();
  report.attempts = 1;
  EXPECT_EQ(note_of_attempts(report), "");
  report.attempts = 3;
  const std::string note = note_of_attempts(report);
  EXPECT_NE(note.find("attempt 3 "), std::string::npos);
  EXPECT_NE(note.find("up to 15 %"), std::string::npos) << note;
  EXPECT_NE(pick_json(report).find(note), std::string::npos);
}

TEST(PickJson, IsValidForAnyBytesAndAnyNumbers) {
  PickReport report = sample::hostile();
  report.rows[1].accuracy = std::nan("");
  const auto document = JsonDocument::parse(pick_json(report));
  ASSERT_TRUE(document.ok()) << document.error().message();
  EXPECT_TRUE(document->root()["rungs"].at(1)["accuracy"].is_null());
  EXPECT_EQ(*json_string(document->root()["data"]["labels"].at(0).value(), "label"), report.data.labels[0].label);
}

TEST(PickCard, ReadsAsWritten) {
  expect_golden("pick_card_certified.md", render_model_card(sample::with_targets()));
  expect_golden("pick_card_refused.md", render_model_card(sample::refused()));
}

TEST(PickCard, HoldsNoRowsNoPathsNoMarkup) {
  const PickReport report = sample::hostile();
  const std::string card = render_model_card(report);
  EXPECT_EQ(card.find("<script"), std::string::npos);
  EXPECT_EQ(card.find("/home/someone"), std::string::npos);
  EXPECT_EQ(card.find('\x1b'), std::string::npos);
  EXPECT_EQ(card.find(std::string(100, 'L')), std::string::npos);
  const std::string plain = render_model_card(sample::certified());
  for (const auto& row : sample::certified().hardest) EXPECT_EQ(plain.find(row.text), std::string::npos);
  for (const auto& row : sample::certified().label_errors) EXPECT_EQ(plain.find(row.text), std::string::npos);
}

std::size_t count_of(const std::string& text, const std::string& part) {
  std::size_t count = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

std::string data_block(const std::string& page) {
  const std::string open = "<script type=\"application/json\" id=\"data\">";
  const std::size_t start = page.find(open) + open.size();
  return page.substr(start, page.find("</script>", start) - start);
}

TEST(PickPage, DataCannotBecomeMarkup) {
  const PickReport report = sample::hostile();
  const std::string page = render_pick_page(report);
  EXPECT_EQ(count_of(page, "</script"), 3U);  // data, Chart.js, the page's own
  EXPECT_EQ(count_of(page, "<!--"), 0U);
  EXPECT_EQ(count_of(page, "\xe2\x80\xa8"), 0U);
  const std::string block = data_block(page);
  EXPECT_EQ(block.find('<'), std::string::npos);
  const auto shown = JsonDocument::parse(block), wanted = JsonDocument::parse(pick_json(report));
  ASSERT_TRUE(shown.ok()) << shown.error().message();
  EXPECT_EQ(simdjson::minify(shown->root()), simdjson::minify(wanted->root()));
}

TEST(PickPage, NeedsNoNetwork) {
  const std::string page = render_pick_page(sample::certified());
  EXPECT_EQ(page.find("{{"), std::string::npos);
  EXPECT_NE(page.find("Chart.js v"), std::string::npos);
  EXPECT_NE(page.find("default-src 'none'; script-src 'sha256-"), std::string::npos);
  for (const char* outside : {"src=\"http", "href=\"http", "@import", "url(http", "fetch(\"", "XMLHttpRequest"})
    EXPECT_EQ(page.find(outside), std::string::npos) << outside;
  EXPECT_EQ(kPickPageJs.find("innerHTML"), std::string_view::npos);
  EXPECT_EQ(kPickPageJs.find("insertAdjacentHTML"), std::string_view::npos);
}

// For a person's eyes: SMIDGEN_PAGES=folder writes the pages of all samples there.
TEST(PickPage, CanBeLookedAt) {
  const char* folder = std::getenv("SMIDGEN_PAGES");
  if (folder == nullptr) GTEST_SKIP() << "SMIDGEN_PAGES=folder writes sample pages there";
  for (const auto& [name, report] : {std::pair{"certified", sample::certified()},
                                     {"targets", sample::with_targets()},
                                     {"refused", sample::refused()},
                                     {"untrained", sample::untrained()},
                                     {"hostile", sample::hostile()}})
    EXPECT_TRUE(write_file_atomic(std::string(folder) + "/" + name + ".html", render_pick_page(report)).ok());
}

TEST(PickPage, EmbedsItsFilesUnchanged) {
  const std::string folder = std::string(SMIDGEN_SOURCE_DIR) + "/smidgen/app/pick_page";
  EXPECT_EQ(*read_file(folder + ".js", 1 << 20), kPickPageJs);
  EXPECT_EQ(*read_file(folder + ".css", 1 << 20), kPickPageCss);
  EXPECT_EQ(*read_file(folder + ".html", 1 << 20), kPickPageHtml);
}

TEST(PickPage, StandsBesideTheBundle) {
  EXPECT_EQ(pick_page_path("tickets.smidgen"), "tickets.report.html");
  EXPECT_EQ(pick_page_path("a/tickets.smidgen//"), "a/tickets.report.html");
  EXPECT_EQ(pick_page_path("model"), "model.report.html");
  EXPECT_EQ(pick_page_path("a/.smidgen"), "a/.smidgen.report.html");
}

}  // namespace
}  // namespace smidgen
