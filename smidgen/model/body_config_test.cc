// What config.json may say: every architecture's own fields, and refusals that name the field.
#include "smidgen/model/body_config.h"

#include <gtest/gtest.h>

#include "smidgen/base/file.h"

namespace smidgen {
namespace {

std::string golden(const std::string& name) {
  return *read_file(std::string(SMIDGEN_SOURCE_DIR) + "/tests/golden/architectures/" + name + "/config.json", 1 << 20);
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const std::size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return at == std::string::npos ? text : text.replace(at, from.size(), to);
}

TEST(BodyConfig, RobertaCountsFromBehindThePadding) {
  const auto config = BodyConfig::from_json(golden("roberta-tokens"));
  ASSERT_TRUE(config.ok()) << config.error().message();
  EXPECT_EQ(config->padding_id, 1);
  EXPECT_EQ(config->first_position, 2U);
  EXPECT_EQ(config->position_rows, 26U);
  EXPECT_EQ(config->positions, 24U);
  EXPECT_EQ(config->types, 1U);
}

TEST(BodyConfig, ElectraMayHaveNarrowEmbeddings) {
  const auto config = BodyConfig::from_json(golden("electra-tokens"));
  EXPECT_EQ(config->embedding, 10U);
  EXPECT_EQ(config->hidden, 16U);
  EXPECT_EQ(BodyConfig::from_json(golden("bert-tokens"))->embedding, 16U);
}

TEST(BodyConfig, ModernBertInBothSpellings) {
  const std::string text = golden("modernbert-tokens");
  const auto config = BodyConfig::from_json(text);
  ASSERT_TRUE(config.ok()) << config.error().message();
  ASSERT_EQ(config->spans.size(), 4U);
  EXPECT_EQ(config->spans[0].window, 0U);
  EXPECT_EQ(config->spans[1].window, 2U);
  EXPECT_EQ(config->spans[3].window, 0U);
  EXPECT_EQ(config->spans[0].theta, 160000);
  EXPECT_EQ(config->spans[2].theta, 10000);
  EXPECT_EQ(config->epsilon, 1e-5F);
  EXPECT_FALSE(config->norm_bias);
  std::string old = replaced(text, "\"rope_parameters\"", "\"other\"");
  old = replaced(old, "\"layer_types\"", "\"global_rope_theta\": 500, \"local_rope_theta\": 300, \"types\"");
  const auto before = BodyConfig::from_json(old);
  ASSERT_TRUE(before.ok()) << before.error().message();
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(before->spans[i].window, config->spans[i].window);
    EXPECT_EQ(before->spans[i].theta, i % 3 == 0 ? 500 : 300);
  }
}

TEST(BodyConfig, RefusesByFieldName) {
  const struct {
    const char *model, *from, *to, *message;
  } cases[] = {
      {"bert-tokens", "\"hidden_act\": \"gelu\"", "\"hidden_act\": \"silu\"", "`hidden_act` \"silu\" is not supported"},
      {"bert-tokens", "\"model_type\": \"bert\"", "\"model_type\": \"t5\"", "use an encoder of: bert, distilbert, rob"},
      {"bert-tokens", "\"model_type\": \"bert\"", "\"position_embedding_type\": \"relative_key\"",
       "`position_embedding_type` \"relative_key\""},
      {"bert-tokens", "\"type_vocab_size\": 2", "\"type_vocab_size\": 0",
       "`type_vocab_size` must be an integer in 1..16"},
      {"distilbert-tokens", "\"dim\": 16", "\"dim\": 15", "`dim` 15 is not a multiple of `n_heads` 2"},
      {"distilbert-tokens", "\"activation\": \"gelu\"", "\"activation\": 3", "`activation`"},
      {"distilbert-tokens", "\"n_layers\": 2", "\"n_layers\": 257", "`n_layers` must be an integer in 1..256"},
      {"roberta-tokens", "\"pad_token_id\": 1", "\"pad_token_id\": 23", "loaded"},
      {"roberta-tokens", "\"pad_token_id\": 1", "\"pad_token_id\": 24", "`pad_token_id` must be an integer in 0..23"},
      {"roberta-tokens", "\"max_position_embeddings\": 26", "\"max_position_embeddings\": 2",
       "`max_position_embeddings` 2 leaves no position after `pad_token_id` 1"},
      {"electra-tokens", "\"embedding_size\": 10", "\"embedding_size\": 0", "`embedding_size` must be"},
      {"modernbert-tokens", "\"num_attention_heads\": 2", "\"num_attention_heads\": 16", "need an even number"},
      {"modernbert-tokens", "\"local_attention\": 4", "\"local_attention\": 1", "`local_attention` must be"},
      {"modernbert-tokens", "\"rope_type\": \"default\"", "\"rope_type\": \"yarn\"", "`rope_type` \"yarn\""},
      {"modernbert-tokens", "\"rope_parameters\": {", "\"rope_parameters\": {\"rope_type\": \"yarn\"}, \"other\": {",
       "`rope_parameters` names neither"},
      {"modernbert-tokens", "\"rope_theta\": 160000.0", "\"rope_theta\": -1", "`rope_theta` must be"},
      {"modernbert-tokens", "\"norm_bias\": false", "\"rope_scaling\": {\"factor\": 2}", "`rope_scaling`"},
      {"modernbert-tokens", "\"full_attention\", \"sliding", "\"sliding", "`layer_types` has 3 entries"},
      {"modernbert-tokens", "[\"full_attention\"", "[\"chunked_attention\"", "`layer_types` may hold"},
      {"modernbert-tokens", "\"hidden_size\": 16", "\"hidden_size\": 16384", "loaded"},
      {"modernbert-tokens", "\"max_position_embeddings\": 24", "\"max_position_embeddings\": 65536", "loaded"},
  };
  for (const auto& test : cases) {
    const auto config = BodyConfig::from_json(replaced(golden(test.model), test.from, test.to));
    const std::string message = config.ok() ? "loaded" : config.error().message();
    EXPECT_NE(message.find(test.message), std::string::npos) << test.to << ": " << message;
  }
  const std::string huge =
      replaced(replaced(golden("modernbert-tokens"), "\"hidden_size\": 16", "\"hidden_size\": 4096"),
               "\"max_position_embeddings\": 24", "\"max_position_embeddings\": 65536");
  const auto refused = BodyConfig::from_json(huge);
  ASSERT_FALSE(refused.ok());
  EXPECT_NE(refused.error().message().find("65536 times a head of 2048 numbers"), std::string::npos);
}

}  // namespace
}  // namespace smidgen
