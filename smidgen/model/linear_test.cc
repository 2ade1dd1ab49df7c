#include "smidgen/model/linear.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "smidgen/base/file.h"
#include "smidgen/base/random.h"

namespace smidgen {
namespace {

const char* const kTexts[] = {"Where is my card?",
                              "card card card CARD arrived",
                              "",
                              "zzz qqq unknown",
                              ("\xc3\x9c"
                               "berall Geb\xc3\xbchren!"),
                              "a b c d e f g",
                              "refund my top up, please :("};

// A model with random weights over the n-grams of kTexts, some of them pruned.
LinearParts random_parts(std::size_t labels, std::uint64_t seed) {
  Random random(seed);
  LinearParts parts;
  parts.labels = labels;
  parts.blocks = {NgramBlock::kTokens, NgramBlock::kCharacters};
  parts.idf_max = 8.5F;
  NgramText text;
  std::vector<std::uint64_t> hashes;
  for (const char* sample : kTexts) {
    if (std::strncmp(sample, "zzz", 3) == 0) continue;
    text.prepare(sample);
    for (const NgramBlock block : parts.blocks) text.append(block, hashes);
  }
  std::sort(hashes.begin(), hashes.end());
  hashes.erase(std::unique(hashes.begin(), hashes.end()), hashes.end());
  const std::size_t rows = 40;
  for (const std::uint64_t hash : hashes) {
    parts.feature_hash.push_back(hash);
    parts.feature_row.push_back(random.below(5) == 0 ? LinearParts::kNoRow
                                                     : static_cast<std::uint32_t>(random.below(rows)));
    // Pruned features are rare ones mostly, whose idf is the largest.
    const bool rarest = parts.feature_row.back() == LinearParts::kNoRow && random.below(2) == 0;
    parts.feature_idf.push_back(static_cast<std::uint8_t>(rarest ? 255 : random.below(256)));
  }
  for (std::size_t i = 0; i < rows * parts.outputs(); ++i) {
    parts.weights.push_back(static_cast<std::int8_t>(static_cast<int>(random.below(255)) - 127));
  }
  for (std::size_t i = 0; i < rows; ++i) parts.scales.push_back(static_cast<float>(0.02 * random.uniform()));
  for (std::size_t i = 0; i < parts.outputs(); ++i) parts.bias.push_back(static_cast<float>(random.normal()));
  return parts;
}

std::vector<float> scores_of(const LinearRung& rung, std::string_view text) {
  const auto scratch = rung.make_scratch();
  std::vector<float> out(rung.labels());
  rung.score_text(text, *scratch, out);
  return out;
}

// The plain twin: maps and doubles, the formulas of linear.h.
std::vector<double> plain_scores(const LinearParts& parts, std::string_view text) {
  std::vector<double> z(parts.bias.begin(), parts.bias.end());
  for (const NgramBlock block : parts.blocks) {
    NgramText ready;
    ready.prepare(text, parts.code_points_max);
    std::vector<std::uint64_t> hashes;
    ready.append(block, hashes);
    std::map<std::size_t, int> counts;  // feature -> count
    for (const std::uint64_t hash : hashes) {
      const auto at = std::lower_bound(parts.feature_hash.begin(), parts.feature_hash.end(), hash);
      if (at != parts.feature_hash.end() && *at == hash)
        ++counts[static_cast<std::size_t>(at - parts.feature_hash.begin())];
    }
    std::map<std::size_t, double> values;
    double square = 0;
    for (const auto& [feature, count] : counts) {
      const double idf = 1 + parts.feature_idf[feature] / 255.0 * (parts.idf_max - 1.0);
      values[feature] = (1 + std::log(count)) * idf;
      square += values[feature] * values[feature];
    }
    for (const auto& [feature, value] : values) {
      const std::uint32_t row = parts.feature_row[feature];
      if (row == LinearParts::kNoRow) continue;
      for (std::size_t k = 0; k < z.size(); ++k) {
        z[k] += value / std::sqrt(square) * parts.scales[row] * parts.weights[row * z.size() + k];
      }
    }
  }
  if (z.size() == 1) return {-std::log1p(std::exp(z[0])), -std::log1p(std::exp(-z[0]))};
  double sum = 0;
  for (const double s : z) sum += std::exp(s);
  for (double& s : z) s -= std::log(sum);
  return z;
}

std::string fresh_folder(const std::string& name) {
  const auto path = std::filesystem::temp_directory_path() / ("smidgen_linear_test_" + name);
  std::filesystem::remove_all(path);
  std::filesystem::create_directories(path);
  return path.string();
}

TEST(LinearRung, ScoresAsThePlainTwin) {
  for (const std::size_t labels : {2, 3, 7, 16, 77, 151}) {
    const LinearParts parts = random_parts(labels, labels);
    auto rung = LinearRung::create(parts);
    ASSERT_TRUE(rung.ok()) << rung.error().message();
    for (const char* text : kTexts) {
      const std::vector<float> fast = scores_of(**rung, text);
      const std::vector<double> plain = plain_scores(parts, text);
      ASSERT_EQ(fast.size(), plain.size());
      for (std::size_t k = 0; k < fast.size(); ++k) EXPECT_NEAR(fast[k], plain[k], 2e-4) << labels << ' ' << text;
    }
  }
}

// A pruned feature with the largest idf code has what an empty slot had before format 2: it counted for nothing, and
// does so in bundles of that time.
TEST(LinearRung, FormatOneScoresAsItDid) {
  LinearParts old = random_parts(3, 3);
  old.format = 1;
  const LinearParts changed = [&] {
    LinearParts parts = old;
    for (std::size_t f = parts.feature_hash.size(); f-- > 0;) {
      if (parts.feature_row[f] != LinearParts::kNoRow || parts.feature_idf[f] != 255) continue;
      const auto at = static_cast<std::ptrdiff_t>(f);
      parts.feature_hash.erase(parts.feature_hash.begin() + at);
      parts.feature_row.erase(parts.feature_row.begin() + at);
      parts.feature_idf.erase(parts.feature_idf.begin() + at);
    }
    return parts;
  }();
  ASSERT_LT(changed.feature_hash.size(), old.feature_hash.size());
  const auto rung = LinearRung::create(old);
  ASSERT_TRUE(rung.ok()) << rung.error().message();
  const std::string folder = fresh_folder("format_one");
  ASSERT_TRUE((*rung)->save(folder).ok());
  const auto loaded = LinearRung::load(folder, 3);
  ASSERT_TRUE(loaded.ok()) << loaded.error().message();
  EXPECT_EQ((*loaded)->parts().format, 1);
  LinearParts now = old;
  now.format = LinearParts::kFormat;
  const auto renewed = LinearRung::create(now);
  bool differs = false;
  for (const char* text : kTexts) {
    const std::vector<float> fast = scores_of(**loaded, text);
    const std::vector<double> plain = plain_scores(changed, text);
    for (std::size_t k = 0; k < fast.size(); ++k) EXPECT_NEAR(fast[k], plain[k], 2e-4) << text;
    differs = differs || fast != scores_of(**renewed, text);
  }
  EXPECT_TRUE(differs);
  std::filesystem::remove_all(folder);
}

TEST(LinearRung, AnswersDoNotDependOnNeighboursOrRepetition) {
  auto rung = LinearRung::create(random_parts(5, 1));
  ASSERT_TRUE(rung.ok());
  const std::vector<std::string_view> texts(std::begin(kTexts), std::end(kTexts));
  TextBatch batch(texts);
  std::vector<std::uint32_t> rows;
  for (std::uint32_t i = 0; i < texts.size(); ++i) rows.push_back(i);
  const auto scratch = (*rung)->make_scratch();
  std::vector<float> together(rows.size() * 5), again(rows.size() * 5);
  (*rung)->score(batch, rows, *scratch, together);
  (*rung)->score(batch, rows, *scratch, again);
  EXPECT_EQ(together, again);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const std::vector<float> alone = scores_of(**rung, texts[i]);
    EXPECT_TRUE(std::equal(alone.begin(), alone.end(), together.begin() + static_cast<std::ptrdiff_t>(i * 5)));
    double sum = 0;
    for (const float s : alone) sum += std::exp(static_cast<double>(s));
    EXPECT_NEAR(sum, 1, 1e-5);
  }
}

TEST(LinearRung, ExtremeWeightsStayFinite) {
  for (const std::size_t labels : {2, 3}) {
    LinearParts parts = random_parts(labels, 2);
    for (float& scale : parts.scales) scale = 1e5F;
    auto rung = LinearRung::create(parts);
    ASSERT_TRUE(rung.ok());
    for (const float s : scores_of(**rung, kTexts[0])) {
      EXPECT_TRUE(std::isfinite(s));
      EXPECT_GE(s, -50.0F);
    }
  }
}

TEST(LinearRung, SavedAndLoadedGivesEqualScoresAndCountsCutRows) {
  for (const std::size_t labels : {2, 77}) {
    LinearParts parts = random_parts(labels, 4);
    parts.code_points_max = 10;
    auto rung = LinearRung::create(parts);
    ASSERT_TRUE(rung.ok());
    const std::string folder = fresh_folder("saved");
    ASSERT_TRUE((*rung)->save(folder).ok());
    auto loaded = LinearRung::load(folder, labels);
    ASSERT_TRUE(loaded.ok()) << loaded.error().message();
    for (const char* text : kTexts) EXPECT_EQ(scores_of(**rung, text), scores_of(**loaded, text));
    const auto scratch = (*loaded)->make_scratch();
    std::vector<float> out(labels);
    (*loaded)->score_text("0123456789", *scratch, out);
    EXPECT_EQ(scratch->rows_cut, 0U);
    (*loaded)->score_text("0123456789a", *scratch, out);
    EXPECT_EQ(scratch->rows_cut, 1U);
    EXPECT_NE(LinearRung::load(folder, labels + 1).error().message().find("labels, but the bundle has"),
              std::string::npos);
    std::filesystem::remove_all(folder);
  }
}

TEST(LinearRung, DamagedPartsAreRefusedByName) {
  const auto message = [](auto damage) {
    LinearParts parts = random_parts(3, 6);
    damage(parts);
    auto rung = LinearRung::create(parts);
    return rung.ok() ? std::string("accepted") : rung.error().message();
  };
  const auto expect = [&](const char* what, auto damage) {
    EXPECT_NE(message(damage).find(what), std::string::npos) << message(damage);
  };
  EXPECT_EQ(message([](LinearParts&) {}), "accepted");
  expect("scales", [](LinearParts& p) { p.scales[3] = std::nanf(""); });
  expect("bias", [](LinearParts& p) { p.bias[1] = HUGE_VALF; });
  expect("names row", [](LinearParts& p) { p.feature_row[2] = 40; });
  expect("does not rise", [](LinearParts& p) { p.feature_hash[1] = p.feature_hash[0]; });
  for (const int shift : {32, 0})  // all at one place of the table, or at places side by side
    expect("crowds one place", [=](LinearParts& p) {
      p.feature_hash.clear();
      for (std::uint64_t i = 1; i <= 300; ++i) p.feature_hash.push_back(i << shift | (shift == 0 ? i << 32 : 0));
      p.feature_row.assign(300, 0);
      p.feature_idf.assign(300, 0);
    });
  expect("weights for", [](LinearParts& p) { p.weights.pop_back(); });
  expect("feature tensors differ", [](LinearParts& p) { p.feature_idf.pop_back(); });
  expect("in `bias`", [](LinearParts& p) { p.bias.push_back(0); });
  expect("idf_max", [](LinearParts& p) { p.idf_max = 0; });
  expect("labels", [](LinearParts& p) { p.labels = 1; });
  expect("feature blocks", [](LinearParts& p) { p.blocks.clear(); });
}

TEST(LinearRung, DamagedFilesAreErrorsNotCrashes) {
  auto rung = LinearRung::create(random_parts(3, 8));
  ASSERT_TRUE(rung.ok());
  const std::string folder = fresh_folder("damaged");
  ASSERT_TRUE((*rung)->save(folder).ok());
  const std::string tensors = read_file(folder + "/model.safetensors", 1 << 24).value();
  for (std::size_t keep = 0; keep < tensors.size(); keep += keep < 700 ? 7 : 311) {
    std::ofstream(folder + "/model.safetensors", std::ios::binary) << tensors.substr(0, keep);
    auto loaded = LinearRung::load(folder, 3);
    ASSERT_FALSE(loaded.ok()) << keep;
    EXPECT_NE(loaded.error().message().find("model.safetensors"), std::string::npos);
  }
  std::ofstream(folder + "/model.safetensors", std::ios::binary) << tensors;
  ASSERT_TRUE(LinearRung::load(folder, 3).ok());
  for (const char* config :
       {"", "{}", R"({"format":1,"kind":"linear","labels":3,"blocks":["nonsense"],"code_points_max":5,"idf_max":2})",
        R"({"format":1,"kind":"linear","labels":3,"blocks":[],"code_points_max":5,"idf_max":2})",
        R"({"format":3,"kind":"linear","labels":3,"blocks":["words"],"code_points_max":5,"idf_max":2})",
        R"({"format":1,"kind":"linear","labels":3,"blocks":["words"],"code_points_max":0,"idf_max":2})"}) {
    std::ofstream(folder + "/config.json", std::ios::binary) << config;
    auto loaded = LinearRung::load(folder, 3);
    ASSERT_FALSE(loaded.ok()) << config;
    EXPECT_NE(loaded.error().message().find("config.json"), std::string::npos) << loaded.error().message();
  }
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace smidgen
