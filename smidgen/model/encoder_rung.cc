#include "smidgen/model/encoder_rung.h"

#include <utility>
#include <vector>

namespace smidgen {

namespace {

constexpr const char* kHeadFile = "/head.safetensors";

}  // namespace

class EncoderRung::EncoderScratch : public Rung::Scratch {
 public:
  void use(Crew* crew) override { body.use(crew); }
  Encoder::Scratch body;
  std::vector<std::int32_t> ids;
  std::vector<std::size_t> begins;
  std::vector<std::span<const std::int32_t>> sequences;
  std::vector<float> vectors;
  Encoder::Climb climb;              // layers() is 0 when nothing is on its way
  std::vector<std::uint32_t> rows;   // of the batch, those that climb
  std::vector<std::uint32_t> which;  // places among them
};

EncoderRung::EncoderRung(std::shared_ptr<const Encoder> encoder, SoftmaxHead head, std::size_t exit_after)
    : encoder_(std::move(encoder)), head_(std::move(head)), exit_after_(exit_after), specials_(encoder_->tokenizer()) {}

Result<std::unique_ptr<EncoderRung>> EncoderRung::create(std::shared_ptr<const Encoder> encoder, SoftmaxHead head,
                                                         std::size_t exit_after) {
  if (head.dimensions != encoder->dimensions()) {
    return Error::bad_data("the head takes " + std::to_string(head.dimensions) + " numbers, the encoder gives " +
                           std::to_string(encoder->dimensions()));
  }
  if (const std::size_t layers = encoder->config().body.layers; exit_after >= layers)
    return Error::bad_data("`exit_after` is " + std::to_string(exit_after) + ", but the encoder has " +
                           std::to_string(layers) + " layers: an exit must lie below the last");
  return std::unique_ptr<EncoderRung>(new EncoderRung(std::move(encoder), std::move(head), exit_after));
}

Result<std::unique_ptr<EncoderRung>> EncoderRung::load(const std::string& folder, std::size_t labels,
                                                       std::size_t tokens_max, Precision precision) {
  EncoderOptions options;
  options.tokens_max = tokens_max;
  options.precision = precision;
  SMIDGEN_ASSIGN(Encoder encoder, Encoder::load(folder, options));
  SMIDGEN_ASSIGN(SoftmaxHead head, SoftmaxHead::load(folder + kHeadFile, labels, encoder.dimensions()));
  return create(std::make_shared<const Encoder>(std::move(encoder)), std::move(head));
}

std::unique_ptr<Rung::Scratch> EncoderRung::make_scratch() const {
  return std::make_unique<EncoderScratch>();
}

// Tokenizes the rows into scratch.sequences.
void EncoderRung::read_rows(TextBatch& batch, std::span<const std::uint32_t> rows, EncoderScratch& scratch) const {
  const Tokenizer& tokenizer = encoder_->tokenizer();
  scratch.ids.clear();
  scratch.begins.assign(1, 0);
  for (const std::uint32_t row : rows) {
    const bool cut = specials_.known() ? specials_.wrap(batch.tokens(row, tokenizer), tokens_max(), scratch.ids)
                                       : tokenizer.encode(batch.text(row), tokens_max(), scratch.ids);
    scratch.rows_cut += cut ? 1 : 0;
    scratch.begins.push_back(scratch.ids.size());
  }
  scratch.sequences.clear();
  for (std::size_t i = 0; i < rows.size(); ++i) {
    scratch.sequences.emplace_back(scratch.ids.data() + scratch.begins[i], scratch.begins[i + 1] - scratch.begins[i]);
  }
}

// Of what climbs, only these rows.
void EncoderRung::keep_rows(std::span<const std::uint32_t> rows, EncoderScratch& scratch) const {
  scratch.which.clear();
  for (std::uint32_t i = 0; i < scratch.rows.size() && scratch.which.size() < rows.size(); ++i)
    if (scratch.rows[i] == rows[scratch.which.size()]) scratch.which.push_back(i);
  SMIDGEN_CHECK(scratch.which.size() == rows.size());
  if (rows.size() < scratch.rows.size()) encoder_->keep(scratch.which, scratch.climb);
}

// A rung that has scored a batch leaves a climb of layers() layers, which no rung from that layer down goes on with:
// the first rung of a batch always starts anew, whatever the last batch left.
void EncoderRung::score(TextBatch& batch, std::span<const std::uint32_t> rows, Rung::Scratch& scratch,
                        std::span<float> log_probabilities) const {
  SMIDGEN_CHECK(log_probabilities.size() == rows.size() * labels());
  auto& own = static_cast<EncoderScratch&>(scratch);
  own.vectors.resize(rows.size() * encoder_->dimensions());
  const bool on_its_way = own.climb.layers() > 0 && own.climb.layers() < layers();
  if (on_its_way) {
    keep_rows(rows, own);
  } else {
    read_rows(batch, rows, own);
  }
  if (on_its_way || exit_after_ > 0) {
    if (!on_its_way) encoder_->start(own.sequences, own.climb);
    own.rows.assign(rows.begin(), rows.end());
    encoder_->climb(layers(), own.body, own.climb, own.vectors.data());
  } else {
    encoder_->embed(own.sequences, own.body, own.vectors.data());
  }
  for (std::size_t i = 0; i < rows.size(); ++i) {
    head_.log_probabilities(std::span(own.vectors).subspan(i * encoder_->dimensions(), encoder_->dimensions()),
                            log_probabilities.subspan(i * labels(), labels()));
  }
}

Status EncoderRung::save(const std::string& folder) const {
  SMIDGEN_TRY(encoder_->save(folder));
  return save_exit(folder);
}

bool EncoderRung::goes_on_from(const Rung& below) const {
  const auto* exit = dynamic_cast<const EncoderRung*>(&below);
  return exit != nullptr && exit->encoder_ == encoder_ && exit->layers() < layers();
}

Status EncoderRung::save_exit(const std::string& folder) const {
  return head_.save(folder + kHeadFile);
}

Result<std::unique_ptr<Rung>> EncoderRung::load_exit(const std::string& folder, std::size_t layers) const {
  SMIDGEN_ASSIGN(SoftmaxHead head, SoftmaxHead::load(folder + kHeadFile, labels(), encoder_->dimensions()));
  SMIDGEN_ASSIGN(std::unique_ptr<EncoderRung> exit, create(encoder_, std::move(head), layers));
  return std::unique_ptr<Rung>(std::move(exit));
}

}  // namespace smidgen
