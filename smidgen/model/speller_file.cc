#include "smidgen/model/speller_file.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "smidgen/tensor/safetensors.h"

namespace smidgen {

namespace {

constexpr const char* kRulesKey = "rules";

Result<SpellerParts> read_parts(const Safetensors& file) {
  const auto rules = file.metadata().find(kRulesKey);
  if (rules == file.metadata().end() || rules->second != std::to_string(SpellerParts::kRules))
    return Error::bad_data("speller: was made for other rules of reading than this version has")
        .hint("train or pick again, so that texts are read as when it was judged");
  const TensorView *words = file.find("words"), *prefixes = file.find("prefixes");
  if (words == nullptr || prefixes == nullptr || !file.has("priors") || file.names().size() != 3)
    return Error::bad_data("speller: the tensors must be words, priors and prefixes");
  // Before anything is allocated: what validate() would say afterwards.
  const std::size_t count[] = {words->count()}, bytes[] = {prefixes->count()};
  if (count[0] > SpellerParts::kWordsMax || bytes[0] > SpellerParts::kPrefixBytesMax)
    return Error::bad_data("speller: " + std::to_string(count[0]) + " words and " + std::to_string(bytes[0]) +
                           " bytes of prefixes; at most " + std::to_string(SpellerParts::kWordsMax) + " and " +
                           std::to_string(SpellerParts::kPrefixBytesMax) + " are read");
  SMIDGEN_ASSIGN(const TensorView hashes, file.get("words", DType::kU64, count));
  SMIDGEN_ASSIGN(const TensorView priors, file.get("priors", DType::kU8, count));
  SMIDGEN_ASSIGN(const TensorView filter, file.get("prefixes", DType::kU8, bytes));
  SpellerParts parts;
  parts.words.resize(count[0]);
  if (!parts.words.empty()) std::memcpy(parts.words.data(), hashes.bytes.data(), hashes.bytes.size());
  parts.priors.assign(priors.bytes.begin(), priors.bytes.end());
  parts.prefixes.assign(filter.bytes.begin(), filter.bytes.end());
  return parts;
}

}  // namespace

Status save_speller(const Speller& speller, const std::string& path) {
  const SpellerParts& parts = speller.parts();
  const std::string_view words(reinterpret_cast<const char*>(parts.words.data()),
                               parts.words.size() * sizeof(std::uint64_t));
  return write_safetensors(path,
                           {{"words", DType::kU64, {parts.words.size()}, words},
                            {"priors", DType::kU8, {parts.priors.size()}, as_bytes(parts.priors)},
                            {"prefixes", DType::kU8, {parts.prefixes.size()}, as_bytes(parts.prefixes)}},
                           {{kRulesKey, std::to_string(SpellerParts::kRules)}});
}

Result<std::shared_ptr<const Speller>> load_speller(const std::string& path) {
  SMIDGEN_ASSIGN(const Safetensors file, Safetensors::open(path));
  auto parts = read_parts(file);
  if (!parts.ok()) return std::move(parts).error().in(path);
  auto speller = Speller::create(std::move(*parts));
  if (!speller.ok()) return std::move(speller).error().in(path);
  return std::make_shared<const Speller>(std::move(*speller));
}

}  // namespace smidgen
