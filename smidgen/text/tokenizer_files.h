// The files of a model's folder that say how it reads text, here or in other programs: what a copy of the folder keeps.
#pragma once

namespace smidgen {

inline constexpr const char* kTokenizerFiles[] = {
    "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt",        "vocab.json",
    "merges.txt",     "spiece.model",          "sentencepiece.bpe.model", "added_tokens.json"};

}  // namespace smidgen
