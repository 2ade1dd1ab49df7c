#include "smidgen/learn/headed_folder.h"

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "smidgen/base/file.h"
#include "smidgen/base/new_path.h"
#include "smidgen/learn/checkpoint_file.h"
#include "smidgen/tensor/safetensors.h"
#include "smidgen/text/tokenizer_files.h"

namespace smidgen {

namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kConfigBytesMax = 4U << 20;
constexpr const char* kConfigFile = "config.json";
constexpr const char* kWeightsFile = "model.safetensors";
constexpr const char* kWriterKey = "writer";  // of the weights' metadata: what --force may replace
constexpr const char* kWriter = "smidgen train";

// Of transformers: "BertForQuestionAnswering".
std::string class_name(Architecture architecture, HeadKind kind) {
  const auto body = [&]() -> std::string {
    switch (architecture) {
      case Architecture::kBert:
        return "Bert";
      case Architecture::kDistilBert:
        return "DistilBert";
      case Architecture::kRoberta:
        return "Roberta";
      case Architecture::kXlmRoberta:
        return "XLMRoberta";
      case Architecture::kElectra:
        return "Electra";
      case Architecture::kModernBert:
        break;  // TrainableEncoder refuses it
    }
    return "";
  };
  return body() + (kind == HeadKind::kQuestions ? "ForQuestionAnswering" : "ForTokenClassification");
}

// The encoder's config.json for a model with this head.
Result<std::string> config_text(const EncoderConfig& config, HeadKind kind, const std::vector<std::string>& labels) {
  const std::string path = config.body_folder + "/" + kConfigFile;
  SMIDGEN_ASSIGN(const std::string text, read_file(path, kConfigBytesMax));
  auto json = nlohmann::ordered_json::parse(text, nullptr, false);
  if (!json.is_object()) return Error::bad_data("is no JSON object").in(path);
  json["architectures"] = {class_name(config.body.architecture, kind)};
  for (const char* of_the_old_head : {"id2label", "label2id", "num_labels", "problem_type", "_name_or_path"})
    json.erase(of_the_old_head);
  for (std::size_t i = 0; i < labels.size(); ++i) {
    json["id2label"][std::to_string(i)] = labels[i];
    json["label2id"][labels[i]] = i;
  }
  return json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

Status copy_tokenizer(const std::string& from, const std::string& to) {
  for (const char* name : kTokenizerFiles) {
    std::error_code code;
    if (!fs::exists(from + "/" + name, code)) continue;
    fs::copy_file(from + "/" + name, to + "/" + name, code);
    if (code) return Error::io(std::string("cannot copy ") + name + ": " + code.message()).in(to);
  }
  return Ok{};
}

bool is_ours(const std::string& name) {
  return name == kConfigFile || name == kWeightsFile ||
         std::find(std::begin(kTokenizerFiles), std::end(kTokenizerFiles), name) != std::end(kTokenizerFiles);
}

// Nothing is replaced but what write_headed_folder made, or an empty folder.
Status check_replaceable(const std::string& folder) {
  std::error_code code;
  bool empty = true;
  for (fs::directory_iterator at(folder, code), end; !code && at != end; at.increment(code)) {
    empty = false;
    const std::string name = at->path().filename().string();
    std::error_code ignored;
    if (!is_ours(name) || !fs::is_regular_file(at->symlink_status(ignored)))
      return Error(ErrorKind::kCannotCreate, "holds \"" + name + "\", which training does not write")
          .in(folder)
          .hint("choose another --out");
  }
  if (code) return Error(ErrorKind::kCannotCreate, "cannot list: " + code.message()).in(folder);
  if (empty) return Ok{};
  const auto weights = Safetensors::open(folder + "/" + kWeightsFile);
  if (!weights.ok() || text_of(*weights, kWriterKey) != kWriter)
    return Error(ErrorKind::kCannotCreate, "holds a model that training did not write: it is not replaced")
        .in(folder)
        .hint("choose another --out");
  return Ok{};
}

}  // namespace

Status check_headed_target(const std::string& folder, bool replace) {
  const std::string plain = without_end_slashes(folder);
  std::error_code code;
  const fs::file_status status = fs::symlink_status(plain, code);
  if (!fs::exists(status)) return check_parent(plain);
  if (!fs::is_directory(status))
    return Error(ErrorKind::kCannotCreate, "exists and is not a folder: it is not replaced")
        .in(folder)
        .hint("choose another --out");
  SMIDGEN_TRY(check_replaceable(plain));
  if (!replace)
    return Error(ErrorKind::kCannotCreate, "already exists").in(folder).hint("choose another --out or pass --force");
  return check_parent(plain);
}

Result<StagedFolder> stage_headed_folder(const std::string& temporary, const std::string& folder, bool replace,
                                         TrainableEncoder& encoder, HeadKind kind, const SoftmaxHead& head,
                                         const std::vector<std::string>& labels) {
  SMIDGEN_CHECK(kind == HeadKind::kQuestions ? head.labels == 2 && labels.empty()
                                             : kind == HeadKind::kTokens && head.labels == labels.size());
  const EncoderConfig& config = encoder.config();
  SMIDGEN_ASSIGN(StagedFolder staged, StagedFolder::create(folder, replace, temporary));
  SMIDGEN_ASSIGN(const std::string text, config_text(config, kind, labels));
  SMIDGEN_TRY(write_file_atomic(staged.path() + "/" + kConfigFile, text));
  SMIDGEN_TRY(copy_tokenizer(config.body_folder, staged.path()));
  const std::string name = kind == HeadKind::kQuestions ? "qa_outputs" : "classifier";
  SMIDGEN_TRY(encoder.save_with_head(
      staged.path() + "/" + kWeightsFile,
      {{name + ".weight", DType::kF32, {head.labels, head.dimensions}, as_bytes(std::span<const float>(head.weights))},
       {name + ".bias", DType::kF32, {head.labels}, as_bytes(std::span<const float>(head.bias))}},
      {{kWriterKey, kWriter}}));
  return staged;
}

Status commit_headed_folder(StagedFolder& staged, const std::string& folder, bool replace) {
  SMIDGEN_TRY(check_headed_target(folder, replace));  // training took long: what came in since is not ours to remove
  return staged.commit();
}

}  // namespace smidgen
