#include "smidgen/model/encoder_rung.h"

#include <utility>
#include <vector>

namespace smidgen {

class EncoderRung::EncoderScratch : public Rung::Scratch {
 public:
  Encoder::Scratch body;
  std::vector<std::int32_t> ids;
  std::vector<std::size_t> begins;
  std::vector<std::span<const std::int32_t>> sequences;
  std::vector<float> vectors;
};

EncoderRung::EncoderRung(std::shared_ptr<const Encoder> encoder, SoftmaxHead head)
    : encoder_(std::move(encoder)), head_(std::move(head)), specials_(encoder_->tokenizer()) {}

Result<std::unique_ptr<EncoderRung>> EncoderRung::create(std::shared_ptr<const Encoder> encoder, SoftmaxHead head) {
  if (head.dimensions != encoder->dimensions()) {
    return Error::bad_data("the head takes " + std::to_string(head.dimensions) + " numbers, the encoder gives " +
                           std::to_string(encoder->dimensions()));
  }
  return std::unique_ptr<EncoderRung>(new EncoderRung(std::move(encoder), std::move(head)));
}

Result<std::unique_ptr<EncoderRung>> EncoderRung::load(const std::string& folder, std::size_t labels,
                                                       std::size_t tokens_max, Precision precision) {
  EncoderOptions options;
  options.tokens_max = tokens_max;
  options.precision = precision;
  SMIDGEN_ASSIGN(Encoder encoder, Encoder::load(folder, options));
  SMIDGEN_ASSIGN(SoftmaxHead head, SoftmaxHead::load(folder + "/head.safetensors", labels, encoder.dimensions()));
  return create(std::make_shared<const Encoder>(std::move(encoder)), std::move(head));
}

std::unique_ptr<Rung::Scratch> EncoderRung::make_scratch() const {
  return std::make_unique<EncoderScratch>();
}

void EncoderRung::score(TextBatch& batch, std::span<const std::uint32_t> rows, Rung::Scratch& scratch,
                        std::span<float> log_probabilities) const {
  SMIDGEN_CHECK(log_probabilities.size() == rows.size() * labels());
  auto& own = static_cast<EncoderScratch&>(scratch);
  const Tokenizer& tokenizer = encoder_->tokenizer();
  own.ids.clear();
  own.begins.assign(1, 0);
  for (const std::uint32_t row : rows) {
    const bool cut = specials_.known() ? specials_.wrap(batch.tokens(row, tokenizer), tokens_max(), own.ids)
                                       : tokenizer.encode(batch.text(row), tokens_max(), own.ids);
    own.rows_cut += cut ? 1 : 0;
    own.begins.push_back(own.ids.size());
  }
  own.sequences.clear();
  for (std::size_t i = 0; i < rows.size(); ++i) {
    own.sequences.emplace_back(own.ids.data() + own.begins[i], own.begins[i + 1] - own.begins[i]);
  }
  own.vectors.resize(rows.size() * encoder_->dimensions());
  encoder_->embed(own.sequences, own.body, own.vectors.data());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    head_.log_probabilities(std::span(own.vectors).subspan(i * encoder_->dimensions(), encoder_->dimensions()),
                            log_probabilities.subspan(i * labels(), labels()));
  }
}

Status EncoderRung::save(const std::string& folder) const {
  SMIDGEN_TRY(encoder_->save(folder));
  return head_.save(folder + "/head.safetensors");
}

}  // namespace smidgen
