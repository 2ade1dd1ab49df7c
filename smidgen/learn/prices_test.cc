#include "smidgen/learn/prices.h"

#include <gtest/gtest.h>

namespace smidgen {
namespace {

TEST(Prices, DefaultIsDatedAndPositive) {
  const auto price = find_price("");
  ASSERT_TRUE(price.ok()) << price.error().message();
  EXPECT_EQ(price->model, "gpt-5-mini");
  EXPECT_EQ(price->date.size(), 7U);
  EXPECT_GT(price->usd_per_million_in, 0);
}

TEST(Prices, UnknownModelListsTheKnownOnes) {
  const auto price = find_price("gpt-99");
  ASSERT_FALSE(price.ok());
  EXPECT_EQ(price.error().exit_code(), 64);
  EXPECT_NE(price.error().hint().find("claude-haiku-4-5"), std::string::npos);
}

TEST(Prices, OwnFileReplacesTheBuiltIn) {
  const std::string text = R"({"date":"2027-01","default":"x","models":[{"model":"x","in":1,"out":10}]})";
  const auto price = find_price("", text);
  ASSERT_TRUE(price.ok());
  EXPECT_DOUBLE_EQ(usd_per_row(*price, {100, 10}), 200e-6);
  EXPECT_FALSE(find_price("", R"({"date":"2027-01","default":"x","models":[{"model":"x","in":-1,"out":1}]})").ok());
}

TEST(Prices, RequestTokensGrowWithLabelsAndText) {
  const RequestTokens few = request_tokens(20, 10, 2);
  const RequestTokens many = request_tokens(20, 400, 77);
  EXPECT_GT(many.in, few.in + 400);
  EXPECT_DOUBLE_EQ(few.out, 8);
}

}  // namespace
}  // namespace smidgen
