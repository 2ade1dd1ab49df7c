// Any bytes as the small files of an encoder's folder must give a config that keeps its promises, or one error that
// names a file. The input is config.json, then after NUL bytes modules.json, 1_Pooling/config.json,
// sentence_bert_config.json and int8_smoothing.json; those that are missing are not in the folder.
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "smidgen/model/encoder_config.h"
#include "smidgen/model/encoder_heads.h"
#include "smidgen/model/smoothing.h"

namespace {

void check_body(const smidgen::BodyConfig& body) {
  SMIDGEN_CHECK(body.vocabulary >= 1 && body.vocabulary <= 1 << 22);
  SMIDGEN_CHECK(body.hidden >= 1 && body.hidden <= 16384 && body.hidden % body.heads == 0);
  SMIDGEN_CHECK(body.embedding >= 1 && body.embedding <= 16384 && body.intermediate <= 65536);
  SMIDGEN_CHECK(body.layers >= 1 && body.layers <= 256 && body.types <= 16 && body.positions >= 1);
  SMIDGEN_CHECK(body.rotary() ? body.spans.size() == body.layers && body.hidden / body.heads % 2 == 0
                              : body.first_position + body.positions == body.position_rows);
  SMIDGEN_CHECK(!body.padding_id || body.first_position == static_cast<std::size_t>(*body.padding_id) + 1);
}

void check_smoothing(const std::string& folder, const smidgen::BodyConfig& body) {
  const auto smoothing = smidgen::Smoothing::load(folder, body.layers, body.hidden);
  if (!smoothing.ok()) return SMIDGEN_CHECK(smoothing.error().message().find("int8_smoothing") != std::string::npos);
  if (!*smoothing) return;
  SMIDGEN_CHECK((*smoothing)->inputs.size() == 2 * body.layers);
  for (const smidgen::SmoothingExponents& exponents : (*smoothing)->inputs) {
    SMIDGEN_CHECK(exponents.size() == body.hidden);
    for (const int exponent : exponents) SMIDGEN_CHECK(exponent >= -12 && exponent <= 12);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::filesystem::path folder =
      std::filesystem::temp_directory_path() / ("smidgen_encoder_config_fuzz_" + std::to_string(getpid()));
  std::filesystem::create_directories(folder / "1_Pooling");
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  bool there = true;
  for (const char* name : {"config.json", "modules.json", "1_Pooling/config.json", "sentence_bert_config.json",
                           smidgen::Smoothing::kFileName}) {
    std::filesystem::remove(folder / name);
    if (!there) continue;
    const std::string_view file = rest.substr(0, rest.find('\0'));
    std::ofstream(folder / name, std::ios::binary) << file;
    there = file.size() < rest.size();
    rest.remove_prefix(there ? file.size() + 1 : file.size());
  }
  const auto config = smidgen::EncoderConfig::load(folder.string());
  if (config.ok()) {
    check_body(config->body);
    check_smoothing(folder.string(), config->body);
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    if (const auto head = smidgen::HeadConfig::from_json(text.substr(0, text.find('\0')), config->body); head.ok()) {
      SMIDGEN_CHECK(!head->labels.empty() && head->labels.size() <= 65536);
      SMIDGEN_CHECK(head->kind != smidgen::HeadKind::kQuestions || head->labels.size() == 2);
    } else {
      SMIDGEN_CHECK(!head.error().message().empty());
    }
    SMIDGEN_CHECK(config->tokens_max >= 1 && config->tokens_max <= config->body.positions);
  } else {
    SMIDGEN_CHECK(!config.error().message().empty() && !config.error().file().empty());
  }
  return 0;
}
