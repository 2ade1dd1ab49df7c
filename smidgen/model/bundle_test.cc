#include "smidgen/model/bundle.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "smidgen/base/file.h"
#include "smidgen/base/sha256.h"
#include "smidgen/base/statistics.h"
#include "smidgen/model/bundle_json.h"
#include "smidgen/model/fake_rung.h"
#include "smidgen/model/speller_file.h"
#include "smidgen/tensor/safetensors.h"
#include "smidgen/text/spelling_samples.h"

namespace smidgen {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::HasSubstr;

BundleInfo two_rungs() {
  BundleInfo info;
  info.task = "classification";
  info.labels = {"</script><b>", "a\nb\x01", "caf\xc3\xa9"};
  info.rungs = {{"linear", RungKind::kLinear, "linear", 0}, {"encoder", RungKind::kEncoder, "encoder", 128}};
  info.policy.stages = {{{1.1F}, {}, 0.9}, {{0.0F, 0.7F}, {0.1F, -0.2F, 0.3F}, 0.5}};
  return info;
}

Certificate sample_certificate() {
  Certificate c;
  c.certified = true;
  c.statement = "of the answers given locally, at least 0.95 are right";
  c.risk = "selective";
  c.alpha = 0.05;
  c.delta = 0.05;
  c.n_units = 2000;
  c.n_answered = 1900;
  c.errors = 60;
  c.coverage = 0.95;
  c.p_value = std::max(binomial_cdf(60, 1900, 0.05), binomial_cdf(3, 100, 0.1));
  c.lower_bound = 0.95;
  c.method = "fixed-sequence testing";
  c.candidates = 12;
  c.tested = 7;
  c.test_sha256 = std::string(64, 'b');
  c.data_sha256 = std::string(64, 'a');
  c.split_salt = "salt";
  c.precision = "f32";
  c.version = "0.1.0";
  c.targets = {{"recall", "a\nb\x01", 0.9, 100, 97, binomial_cdf(3, 100, 0.1), 80, 77}};
  c.assumptions = {"rows to come are like these"};
  c.not_claimed = {"caf\xc3\xa9"};
  return c;
}

class BundleTest : public testing::Test {
 protected:
  void SetUp() override {
    root_ = testing::TempDir() + "smidgen_bundle_test." + std::to_string(::getpid());
    fs::remove_all(root_);
    fs::create_directory(root_);
    folder_ = root_ + "/a.smidgen";
    ASSERT_TRUE(save(false).ok());
  }
  void TearDown() override { fs::remove_all(root_); }

  Status save(bool replace) const {
    const FakeRung linear(RungKind::kLinear, "one", 3), encoder(RungKind::kEncoder, "two", 3);
    return save_bundle(folder_, replace, two_rungs(), {&linear, &encoder}, sample_certificate(), "# card\n");
  }
  Result<Bundle> load() const { return Bundle::load(folder_, FakeRung::load); }
  std::string load_error() const {
    const auto bundle = load();
    return bundle.ok() ? "no error" : bundle.error().message();
  }
  std::string text(const std::string& name) const { return *read_file(folder_ + "/" + name, 1 << 20); }
  void write(const std::string& name, const std::string& bytes) const {
    std::ofstream(folder_ + "/" + name, std::ios::binary) << bytes;
  }
  // bundle.json changed by `edit`, with the certificate bound to it again.
  void edit_manifest(const std::function<void(json&)>& edit) const {
    json root = json::parse(text("bundle.json"));
    edit(root);
    const std::string bytes = root.dump();
    write("bundle.json", bytes);
    json certificate = json::parse(text("certificate.json"));
    certificate["bundle_sha256"] = sha256_hex(bytes);
    write("certificate.json", certificate.dump());
  }
  // Writes the certificate as it was saved but for these fields; returns it.
  json certificate_with(const json& fields) {
    if (saved_.is_null()) {
      EXPECT_TRUE(save(true).ok());
      saved_ = json::parse(text("certificate.json"));
    }
    json root = saved_;
    for (const auto& [key, value] : fields.items()) root[key] = value;
    write("certificate.json", root.dump());
    return root;
  }
  std::string root_, folder_;
  json saved_;
};

TEST_F(BundleTest, ComesBackAsItWasSaved) {
  const auto bundle = load();
  ASSERT_TRUE(bundle.ok()) << bundle.error().message();
  const BundleInfo want = two_rungs();
  EXPECT_EQ(bundle->info.labels, want.labels);
  EXPECT_EQ(bundle->info.rungs[1].kind, RungKind::kEncoder);
  EXPECT_EQ(bundle->info.rungs[1].tokens_max, 128U);
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(bundle->info.policy.stages[i].weights, want.policy.stages[i].weights);
    EXPECT_EQ(bundle->info.policy.stages[i].bias, want.policy.stages[i].bias);
    EXPECT_EQ(bundle->info.policy.stages[i].threshold, want.policy.stages[i].threshold);
  }
  ASSERT_TRUE(bundle->certificate.has_value());
  EXPECT_EQ(bundle->certificate->bundle_sha256, bundle->sha256);
  EXPECT_EQ(bundle->certificate->tested, 7U);
  EXPECT_EQ(bundle->certificate->test_sha256, std::string(64, 'b'));
  EXPECT_EQ(bundle->certificate->targets[0].hits, 97U);
  EXPECT_EQ(bundle->certificate->targets[0].n_local, 80U);
  EXPECT_EQ(bundle->certificate->targets[0].hits_local, 77U);
  EXPECT_EQ(bundle->certificate->not_claimed[0], "caf\xc3\xa9");
  EXPECT_EQ(text("README.md"), "# card\n");
  EXPECT_EQ(json::parse(text("bundle.json"))["format"], 1);
}

class SpellerBundleTest : public BundleTest {
 protected:
  void SetUp() override {
    BundleTest::SetUp();
    auto speller = Speller::create(sample_parts({{"card", 50}, {"lost", 9}, {"once", 1, true, false}}));
    ASSERT_TRUE(speller.ok());
    BundleInfo info = two_rungs();
    info.speller = std::make_shared<const Speller>(std::move(*speller));
    const FakeRung linear(RungKind::kLinear, "one", 3), encoder(RungKind::kEncoder, "two", 3);
    ASSERT_TRUE(save_bundle(folder_, true, info, {&linear, &encoder}, sample_certificate(), "# card\n").ok());
  }
  // The speller's file replaced by these tensors, with its hash right.
  std::string error_with(std::vector<NamedTensor> tensors, const std::map<std::string, std::string>& metadata = {
                                                               {"rules", std::to_string(SpellerParts::kRules)}}) const {
    const std::string bytes = safetensors_bytes(std::move(tensors), metadata);
    write(kSpellerFileName, bytes);
    edit_manifest([&](json& root) { root["files"][kSpellerFileName] = sha256_hex(bytes); });
    const auto bundle = load();
    if (bundle.ok()) return "no error";
    EXPECT_EQ(bundle.error().kind(), ErrorKind::kBadData);
    EXPECT_EQ(bundle.error().file(), folder_ + "/" + kSpellerFileName);
    return bundle.error().message();
  }
};

TEST_F(SpellerBundleTest, ComesBackAsItWasSaved) {
  const auto bundle = load();
  ASSERT_TRUE(bundle.ok()) << bundle.error().message();
  ASSERT_NE(bundle->info.speller, nullptr);
  const SpellerParts want = sample_parts({{"card", 50}, {"lost", 9}, {"once", 1, true, false}});
  EXPECT_EQ(bundle->info.speller->parts().words, want.words);
  EXPECT_EQ(bundle->info.speller->parts().priors, want.priors);
  EXPECT_EQ(bundle->info.speller->parts().prefixes, want.prefixes);
  EXPECT_EQ(json::parse(text("bundle.json"))["typos"], "repair");
  EXPECT_EQ(text(kSpellerFileName).find("card"), std::string::npos) << "no words, only hashes";
}

TEST_F(SpellerBundleTest, MustBeWhatBundleJsonSays) {
  edit_manifest([](json& root) { root["typos"] = "keep"; });
  EXPECT_THAT(load_error(), HasSubstr("`typos` must be \"repair\", or left out"));
  edit_manifest([](json& root) { root.erase("typos"); });
  EXPECT_THAT(load_error(), HasSubstr("paths inside the rungs' folders, not \"spelling.safetensors\""));
  edit_manifest([](json& root) {
    root["typos"] = "repair";
    root["files"].erase(kSpellerFileName);
  });
  EXPECT_THAT(load_error(), HasSubstr("an object with spelling.safetensors, as `typos` is \"repair\""));
  SetUp();
  fs::remove(folder_ + "/" + kSpellerFileName);
  EXPECT_THAT(load_error(), HasSubstr("spelling.safetensors: the file listed in bundle.json is missing"));
  fs::create_symlink(folder_ + "/README.md", folder_ + "/" + kSpellerFileName);
  EXPECT_THAT(load_error(), HasSubstr("a link or special file"));
}

TEST_F(SpellerBundleTest, RefusesAFileThatIsNotOurs) {
  const SpellerParts good = sample_parts({{"card", 50}, {"lost", 9}});
  const auto bytes = [](const std::vector<std::uint64_t>& hashes) {
    return std::string_view(reinterpret_cast<const char*>(hashes.data()), hashes.size() * 8);
  };
  const NamedTensor words{"words", DType::kU64, {2}, bytes(good.words)},
      priors{"priors", DType::kU8, {2}, as_bytes(good.priors)},
      prefixes{"prefixes", DType::kU8, {good.prefixes.size()}, as_bytes(good.prefixes)};
  EXPECT_EQ(error_with({words, priors, prefixes}), "no error");
  EXPECT_THAT(error_with({words, priors, prefixes}, {}), HasSubstr("other rules of reading")) << "an older version's";
  EXPECT_THAT(error_with({words, priors, prefixes}, {{"rules", std::to_string(SpellerParts::kRules + 1)}}),
              HasSubstr("other rules of reading"));
  EXPECT_THAT(error_with({words, priors}), HasSubstr("the tensors must be"));
  EXPECT_THAT(error_with({words, priors, prefixes, {"more", DType::kU8, {2}, as_bytes(good.priors)}}),
              HasSubstr("the tensors must be"));
  EXPECT_THAT(error_with({{"words", DType::kI64, {2}, bytes(good.words)}, priors, prefixes}), HasSubstr("words"));
  EXPECT_THAT(error_with({words, {"priors", DType::kI8, {2}, as_bytes(good.priors)}, prefixes}), HasSubstr("priors"));
  EXPECT_THAT(error_with({words, {"priors", DType::kU8, {1}, as_bytes(good.priors).substr(1)}, prefixes}),
              HasSubstr("priors"));
  const std::vector<std::uint64_t> falling = {good.words[1], good.words[0]}, twice = {good.words[0], good.words[0]};
  EXPECT_THAT(error_with({{"words", DType::kU64, {2}, bytes(falling)}, priors, prefixes}), HasSubstr("does not rise"));
  EXPECT_THAT(error_with({{"words", DType::kU64, {2}, bytes(twice)}, priors, prefixes}), HasSubstr("does not rise"));
  EXPECT_THAT(error_with({words, priors, {"prefixes", DType::kU8, {9}, as_bytes(good.prefixes).substr(0, 9)}}),
              HasSubstr("a power of two"));
  const std::vector<std::uint64_t> many(SpellerParts::kWordsMax + 1);
  EXPECT_THAT(error_with({{"words", DType::kU64, {many.size()}, bytes(many)}, priors, prefixes}), HasSubstr("at most"));
}

TEST_F(BundleTest, ReplacesOnlyBundlesAndOnlyWhenAsked) {
  EXPECT_THAT(save(false).error().message(), HasSubstr("already exists"));
  EXPECT_TRUE(save(true).ok());
  fs::remove(folder_ + "/bundle.json");
  const auto status = save(true);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().kind(), ErrorKind::kCannotCreate);
  EXPECT_THAT(status.error().message(), HasSubstr("is not a bundle"));
  EXPECT_TRUE(fs::exists(folder_ + "/README.md")) << "nothing was removed";
}

TEST_F(BundleTest, RefusesToSaveWhatItCouldNotLoad) {
  BundleInfo info = two_rungs();
  info.labels[0] = "\xff";
  const FakeRung rung(RungKind::kLinear, "one", 3);
  const auto status = save_bundle(root_ + "/b", false, info, {&rung, &rung}, std::nullopt, "");
  EXPECT_THAT(status.error().message(), HasSubstr("UTF-8"));
  EXPECT_FALSE(fs::exists(root_ + "/b"));
}

TEST_F(BundleTest, MissingFolderAndStrangeFolder) {
  EXPECT_EQ(Bundle::load(root_ + "/none", FakeRung::load).error().kind(), ErrorKind::kNoInput);
  EXPECT_THAT(Bundle::load(root_, FakeRung::load).error().message(), HasSubstr("is not a bundle"));
  fs::create_symlink("bundle.json", root_ + "/bundle.json");  // to itself
  EXPECT_THAT(Bundle::load(root_, FakeRung::load).error().message(), HasSubstr("cannot open: Too many levels"));
}

TEST_F(BundleTest, EveryMissingOrMistypedFieldIsNamed) {
  const json manifest = json::parse(text("bundle.json")), certificate = json::parse(text("certificate.json"));
  for (const auto& [key, value] : manifest.items()) {
    for (const json& bad :
         {json(), json(-7.5), json("\x01"), json::array({json::array()}), json{{"x", json::array()}}}) {
      json broken = manifest;
      bad.is_null() ? broken.erase(key) : static_cast<std::size_t>((broken[key] = bad, 0));
      const auto read = manifest_from_json(broken.dump());
      ASSERT_FALSE(read.ok()) << key << " " << bad;
      EXPECT_EQ(read.error().kind(), ErrorKind::kBadData);
      EXPECT_GT(read.error().message().size(), 10U);
    }
  }
  for (const auto& [key, value] : certificate.items()) {
    for (const json& bad : {json(), json(-7.5), json::array({json::array()}), json{{"x", json::array()}}}) {
      json broken = certificate;
      bad.is_null() ? broken.erase(key) : static_cast<std::size_t>((broken[key] = bad, 0));
      const auto read = certificate_from_json(broken.dump());
      ASSERT_FALSE(read.ok()) << key << " " << bad;
      EXPECT_THAT(read.error().message(), HasSubstr(key));
    }
  }
  for (const auto& [key, value] : manifest["rungs"][1].items()) {
    for (const json& bad : {json(), json(-7.5), json("\x01"), json::array(), json{{"x", 1}}}) {
      json broken = manifest;
      bad.is_null() ? broken["rungs"][1].erase(key) : static_cast<std::size_t>((broken["rungs"][1][key] = bad, 0));
      ASSERT_FALSE(manifest_from_json(broken.dump()).ok()) << key << " " << bad;
    }
  }
}

TEST_F(BundleTest, ContradictionsAreRefused) {
  const std::vector<std::pair<std::string, std::function<void(json&)>>> cases = {
      {"stands twice", [](json& m) { m["labels"][1] = m["labels"][0]; }},
      {"non-empty UTF-8", [](json& m) { m["labels"][1] = ""; }},
      {"share the name", [](json& m) { m["rungs"][1]["path"] = "linear"; }},
      {"`name`", [](json& m) { m["rungs"][1]["name"] = "../x", m["rungs"][1]["stacks"]["weights"] = json::object(); }},
      {"one folder name", [](json& m) { m["rungs"][0]["path"] = ".."; }},
      {"one folder name", [](json& m) { m["rungs"][0]["path"] = "/etc"; }},
      {"one folder name", [](json& m) { m["rungs"][0]["path"] = "a/b"; }},
      {"unknown rung kind", [](json& m) { m["rungs"][0]["kind"] = "oracle"; }},
      {"not this rung or an earlier one", [](json& m) { m["rungs"][0]["stacks"]["weights"]["encoder"] = 1; }},
      {"one number per label", [](json& m) { m["rungs"][0]["stacks"]["bias"] = {1.0}; }},
      {"-1e6..1e6", [](json& m) { m["rungs"][0]["stacks"]["weights"]["linear"] = 1e30; }},
      {"`threshold`", [](json& m) { m["rungs"][0]["threshold"] = -0.1; }},
      {"`precision`", [](json& m) { m["precision"] = "fp8"; }},
      {"lacks int8_smoothing.json", [](json& m) { m["precision"] = "int8"; }},
      {"format 2 is unknown", [](json& m) { m["format"] = 2; }},
      {"unknown field `extra`", [](json& m) { m["extra"] = 1; }},
      {"inside the rungs' folders", [](json& m) { m["files"]["linear/../../x"] = std::string(64, '0'); }},
      {"inside the rungs' folders", [](json& m) { m["files"]["/etc/passwd"] = std::string(64, '0'); }},
      {"is missing", [](json& m) { m["files"]["linear/more.txt"] = std::string(64, '0'); }},
      {"SHA-256 hashes", [](json& m) { m["files"]["linear/name.txt"] = "00"; }},
      {"not listed", [](json& m) { m["files"].erase("linear/name.txt"); }},
  };
  const std::string manifest = text("bundle.json");
  for (const auto& [want, edit] : cases) {
    write("bundle.json", manifest);
    edit_manifest(edit);
    EXPECT_THAT(load_error(), HasSubstr(want));
  }
}

// No name of a rung, folder or file leads out of the bundle, on any system it may be copied to.
TEST_F(BundleTest, NoNameLeadsOutside) {
  using namespace std::string_literals;  // NOLINT(google-build-using-namespace)
  const std::vector<std::string> names = {
      "..",          ".",         "../linear", "linear/..", "a/../b",  "/linear",           "//linear", "linear//x",
      "linear/./x",  "./linear",  "..%2fx",    "C:\\x",     "C:x",     "\\\\x\\y",          "a\\..\\b", "~",
      "~/x",         "linear\0"s, "lin\0ear"s, "",          "-linear", ".hidden",           "lin ear",  "lin\near",
      "caf\xc3\xa9", "a:b",       "*",         "$HOME",     "linear/", std::string(97, 'a')};
  const std::string manifest = text("bundle.json");
  for (const std::string& name : names) {
    for (const std::string& where : {"path"s, "name"s}) {
      json root = json::parse(manifest);
      root["rungs"][0][where] = name;
      if (where == "name") root["rungs"][0]["stacks"]["weights"] = {{name, 1}};
      if (where == "name") root["rungs"][1]["stacks"]["weights"] = {{"encoder", 1}};
      const auto read = manifest_from_json(root.dump());
      ASSERT_FALSE(read.ok()) << where << " " << name;
      EXPECT_EQ(read.error().kind(), ErrorKind::kBadData);
    }
    for (const std::string& path : {name, "linear/" + name}) {
      json root = json::parse(manifest);
      root["files"][path] = std::string(64, '0');
      EXPECT_FALSE(manifest_from_json(root.dump()).ok()) << path;
    }
  }
  write("bundle.json", manifest);
  EXPECT_TRUE(load().ok());
}

// What runs is never changed unseen. (A digit of the certificate can change and still read: it is bound to the bundle,
// not to itself.)
TEST_F(BundleTest, EveryFlippedByteIsFound) {
  for (const std::string name : {"linear/name.txt", "encoder/name.txt", "bundle.json"}) {
    const std::string good = text(name);
    const std::size_t step = good.size() < 100 ? 1 : 23;
    for (std::size_t at = 0; at < good.size(); at += step) {
      std::string bad = good;
      bad[at] = static_cast<char>(bad[at] ^ 0x01);
      write(name, bad);
      const auto bundle = load();
      ASSERT_FALSE(bundle.ok()) << name << " " << at;
      EXPECT_EQ(bundle.error().kind(), ErrorKind::kBadData) << bundle.error().message();
    }
    write(name, good);
  }
  EXPECT_TRUE(load().ok());
}

TEST_F(BundleTest, EveryTruncationIsFound) {
  const std::string manifest = text("bundle.json"), certificate = text("certificate.json");
  for (std::size_t size = 0; size + 2 < manifest.size(); ++size)
    ASSERT_FALSE(manifest_from_json(std::string_view(manifest).substr(0, size)).ok()) << size;
  for (std::size_t size = 0; size + 2 < certificate.size(); ++size)
    ASSERT_FALSE(certificate_from_json(std::string_view(certificate).substr(0, size)).ok()) << size;
  write("linear/name.txt", "on");
  EXPECT_THAT(load_error(), HasSubstr("SHA-256"));
}

TEST_F(BundleTest, StrangersAndLinksInARungFolder) {
  write("linear/extra.bin", "x");
  EXPECT_THAT(load_error(), HasSubstr("extra.bin: the file is not listed"));
  fs::remove(folder_ + "/linear/extra.bin");
  fs::rename(folder_ + "/linear/name.txt", root_ + "/name.txt");
  fs::create_symlink(root_ + "/name.txt", folder_ + "/linear/name.txt");
  EXPECT_THAT(load_error(), HasSubstr("a link"));
  fs::remove_all(folder_ + "/linear");
  fs::create_directory_symlink(root_, folder_ + "/linear");
  EXPECT_THAT(load_error(), HasSubstr("missing or not a folder"));
}

TEST_F(BundleTest, AHardLinkCouldChangeUnseen) {
  fs::create_hard_link(folder_ + "/linear/name.txt", root_ + "/elsewhere");
  EXPECT_THAT(load_error(), HasSubstr("a hard link"));
  fs::remove(root_ + "/elsewhere");
  EXPECT_TRUE(load().ok());
  for (const std::string name : {"bundle.json", "certificate.json"}) {
    fs::create_hard_link(folder_ + "/" + name, root_ + "/elsewhere");
    EXPECT_THAT(load_error(), HasSubstr("a link"));
    fs::remove(root_ + "/elsewhere");
    fs::rename(folder_ + "/" + name, root_ + "/elsewhere");
    fs::create_symlink(root_ + "/elsewhere", folder_ + "/" + name);
    EXPECT_THAT(load_error(), HasSubstr("a link"));
    fs::remove(folder_ + "/" + name);
    fs::rename(root_ + "/elsewhere", folder_ + "/" + name);
  }
  EXPECT_TRUE(load().ok());
}

TEST_F(BundleTest, CertificateMustFitTheBundle) {
  json root = json::parse(text("certificate.json"));
  root["bundle_sha256"] = std::string(64, 'b');
  write("certificate.json", root.dump());
  EXPECT_THAT(load_error(), HasSubstr("belongs to another bundle"));
  root["p_value"] = 0.2;
  write("certificate.json", root.dump());
  EXPECT_THAT(load_error(), HasSubstr("`certified` is true"));
  const json whole = certificate_with({});
  for (const json& forged : {json{{"errors", 90}}, json{{"alpha", 0.03}}, json{{"lower_bound", 0.99}},
                             json{{"delta", 1e-6}, {"p_value", 1e-7}}, json{{"n_answered", 50}}}) {
    certificate_with(forged);
    EXPECT_THAT(load_error(), HasSubstr("`certified` is true")) << forged;
  }
  for (const double p : {0.001, 0.0, 1.001 * whole["p_value"].get<double>()}) {
    certificate_with({{"p_value", p}});
    EXPECT_THAT(load_error(), HasSubstr("a `p_value` is not that of its counts")) << p;
  }
  // The test is made again: its counts must not take for ever.
  certificate_with({{"n_units", std::int64_t{9000000000000000000}}, {"n_answered", std::int64_t{9000000000000000000}}});
  EXPECT_THAT(load_error(), HasSubstr("n_units"));
  json targets = whole["targets"];
  targets[0]["hits"] = 93;
  certificate_with({{"targets", targets}});
  EXPECT_THAT(load_error(), HasSubstr("do not pass the exact binomial test"));
  targets[0]["hits_local"] = 94;
  certificate_with({{"targets", targets}});
  EXPECT_THAT(load_error(), HasSubstr("hits_local"));
  certificate_with({{"tested", 13}});
  EXPECT_THAT(load_error(), HasSubstr("tested"));
  certificate_with({});
  EXPECT_TRUE(load().ok());
  fs::remove(folder_ + "/certificate.json");
  const auto bundle = load();
  ASSERT_TRUE(bundle.ok());
  EXPECT_FALSE(bundle->certificate.has_value());
}

}  // namespace
}  // namespace smidgen
