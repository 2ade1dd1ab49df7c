#include "smidgen/learn/prices.h"

#include "smidgen/base/json.h"
#include "smidgen/learn/prices_data.h"  // generated from prices.json: kPricesJson

namespace smidgen {

namespace {

// "Classify the text. Answer with exactly one of these labels, nothing else:" and the chat frame around it.
constexpr double kInstructionTokens = 40;
// Each label stands on its own line of the list.
constexpr double kTokensPerListLine = 2;
// The frame of an answer: role and end marks.
constexpr double kAnswerFrameTokens = 3;

constexpr double kUsdPerMillionMax = 1e6;

}  // namespace

Result<LargeModelPrice> find_price(std::string_view model, std::string_view text) {
  SMIDGEN_ASSIGN(const JsonDocument document, JsonDocument::parse(text.empty() ? std::string_view(kPricesJson) : text));
  const auto root = document.root();
  LargeModelPrice price;
  SMIDGEN_ASSIGN(price.date, json_string(root, "date", 32));
  SMIDGEN_ASSIGN(const std::string fallback, json_string(root, "default", 128));
  const std::string wanted = model.empty() ? fallback : std::string(model);
  simdjson::dom::array models;
  if (root.at_key("models").get(models) != simdjson::SUCCESS)
    return Error::bad_data("`models` must be a list of {\"model\",\"in\",\"out\"}");
  std::string known;
  for (const auto entry : models) {
    SMIDGEN_ASSIGN(price.model, json_string(entry, "model", 128));
    if (price.model == wanted) {
      SMIDGEN_ASSIGN(price.usd_per_million_in, json_number(entry, "in", 0, kUsdPerMillionMax));
      SMIDGEN_ASSIGN(price.usd_per_million_out, json_number(entry, "out", 0, kUsdPerMillionMax));
      return price;
    }
    known += (known.empty() ? "" : ", ") + price.model;
  }
  return Error::usage("no price for the large model \"" + wanted + "\"")
      .hint("known: " + known + "; or give --large-usd-per-1k-rows");
}

RequestTokens request_tokens(double text_tokens, double label_tokens, std::uint64_t labels) {
  const auto count = static_cast<double>(labels);
  return {kInstructionTokens + label_tokens + kTokensPerListLine * count + text_tokens,
          kAnswerFrameTokens + label_tokens / count};
}

double usd_per_row(const LargeModelPrice& price, const RequestTokens& tokens) {
  return (tokens.in * price.usd_per_million_in + tokens.out * price.usd_per_million_out) / 1e6;
}

}  // namespace smidgen
