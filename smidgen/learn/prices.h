// What a row costs elsewhere: list prices of large models, with their date, and the tokens a classification request
// takes.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "smidgen/base/result.h"

namespace smidgen {

// Standard (not batch, not cached) list prices in USD per million tokens.
struct LargeModelPrice {
  std::string model;
  double usd_per_million_in = 0, usd_per_million_out = 0;
  std::string date;  // when the price was read, YYYY-MM
};

// One price of prices.json (built in; `text` from a --prices file replaces it):
// {"date","default","models":[{"model","in","out"}]}. model empty: the file's default. An unknown model is kUsage and
// lists those known.
Result<LargeModelPrice> find_price(std::string_view model, std::string_view text = {});

// Tokens of one request that asks a large model for one of `labels`: a fixed instruction, the list of labels, the text,
// a label back.
struct RequestTokens {
  double in = 0, out = 0;
};
// text_tokens: mean tokens of a text; label_tokens: tokens of all labels together; labels: their number.
RequestTokens request_tokens(double text_tokens, double label_tokens, std::uint64_t labels);

double usd_per_row(const LargeModelPrice& price, const RequestTokens& tokens);

}  // namespace smidgen
