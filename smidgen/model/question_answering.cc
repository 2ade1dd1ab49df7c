#include "smidgen/model/question_answering.h"

#include <algorithm>
#include <cmath>
#include <new>
#include <unordered_map>
#include <utility>

#include "smidgen/base/out_of_memory.h"
#include "smidgen/base/utf8.h"
#include "smidgen/model/passage_windows.h"
#include "smidgen/text/unicode_tables.h"

namespace smidgen {

namespace {

constexpr std::size_t kAnswersMax = 1000;

std::string lower_case(std::string_view text) {
  std::vector<char32_t> points;
  for (std::size_t at = 0; at < text.size();) {
    const unicode::Decoded next = unicode::decode_one(text, at);
    unicode::append_lower(next.c, points);
    at += next.length;
  }
  return unicode::to_utf8(points);
}

std::size_t code_points(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

// Softmax over the logits of `column` at row 0 and rows [first, first + count); the probability of row 0 apart.
struct Distribution {
  double of_first = 0;
  std::vector<double> of_passage;
};

Distribution softmax(const Activations& logits, std::size_t column, std::size_t first, std::size_t count) {
  const auto logit = [&](std::size_t row) { return double{logits.f32()[row * logits.width() + column]}; };
  double top = logit(0);
  for (std::size_t i = 0; i < count; ++i) top = std::max(top, logit(first + i));
  Distribution out;
  out.of_first = std::exp(logit(0) - top);
  double sum = out.of_first;
  for (std::size_t i = 0; i < count; ++i) {
    out.of_passage.push_back(std::exp(logit(first + i) - top));
    sum += out.of_passage.back();
  }
  out.of_first /= sum;
  for (double& p : out.of_passage) p /= sum;
  return out;
}

Status check(const QuestionOptions& options) {
  if (options.top < 1 || options.top > kAnswersMax)
    return Error::usage("the number of answers must be in 1.." + std::to_string(kAnswersMax));
  if (options.answer_tokens_max < 1) return Error::usage("an answer must have room for one token");
  return Ok{};
}

}  // namespace

struct QuestionAnswerer::Passage {
  std::string_view text;
  std::vector<std::int32_t> ids;
  std::vector<TextSpan> spans;
  std::vector<bool> continues;  // the token belongs to the word of the one before
};

// Tokens [first, last] of one window of the passage.
struct QuestionAnswerer::Candidate {
  std::size_t first = 0, last = 0;
  double score = 0;
};

QuestionAnswerer::QuestionAnswerer(HeadedEncoder encoder, std::unique_ptr<const Tokenizer> tokenizer)
    : encoder_(std::move(encoder)), tokenizer_(std::move(tokenizer)), words_(*tokenizer_) {}

Result<QuestionAnswerer> QuestionAnswerer::load(const std::string& folder, const Kernels* kernels) try {
  SMIDGEN_ASSIGN(HeadedEncoder encoder, HeadedEncoder::load(folder, kernels));
  if (encoder.head_config().kind != HeadKind::kQuestions)
    return Error::bad_data("this model has a head for " + std::string(to_string(encoder.head_config().kind)) +
                           ", not for question answering")
        .in(folder)
        .hint("give the folder of a model ..ForQuestionAnswering");
  SMIDGEN_ASSIGN(std::unique_ptr<Tokenizer> tokenizer, load_tokenizer(folder, encoder.body_config()));
  if (tokenizer->pair_template() == nullptr)
    return Error::bad_data("the tokenizer does not say how to put a question and a passage together").in(folder);
  if (tokenizer->pair_template()->before.empty())
    return Error::bad_data(
               "the tokenizer puts no special token in front of a question and its passage: the first one stands for "
               "\"no answer\"")
        .in(folder);
  SMIDGEN_TRY(check_segments(folder, *tokenizer, encoder.body_config()));
  return QuestionAnswerer(std::move(encoder), std::move(tokenizer));
} catch (const std::bad_alloc&) {
  return out_of_memory();
}

Result<QuestionAnswerer::Passage> QuestionAnswerer::read(std::string_view text) const {
  if (const auto wrong = first_invalid_utf8(text))
    return Error::bad_data("the passage is not UTF-8").at_byte(*wrong).hint("convert it to UTF-8");
  if (text.size() > UINT32_MAX) return Error::bad_data("the passage has more than 4 GiB");
  Passage passage;
  passage.text = text;
  tokenizer_->encode_spans(text, passage.ids, passage.spans);
  passage.continues = words_.continues(text, passage.ids, passage.spans);
  return passage;
}

// The best spans of one window. Their number leaves room for spans that turn out to be the same words.
std::vector<QuestionAnswerer::Candidate> QuestionAnswerer::candidates(const Activations& logits,
                                                                      const EncodedPair& pair,
                                                                      const QuestionOptions& options,
                                                                      double& null_score) const {
  const std::size_t count = pair.second_count;
  const Distribution start = softmax(logits, 0, pair.second_begin, count);
  const Distribution end = softmax(logits, 1, pair.second_begin, count);
  null_score = std::min(null_score, start.of_first * end.of_first);
  std::vector<Candidate> all;
  for (std::size_t first = 0; first < count; ++first)
    for (std::size_t last = first; last < std::min(count, first + options.answer_tokens_max); ++last)
      all.push_back({first, last, start.of_passage[first] * end.of_passage[last]});
  const std::size_t kept = std::min(all.size(), options.top * 2 + 10);
  std::partial_sort(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(kept), all.end(),
                    [](const Candidate& a, const Candidate& b) { return a.score > b.score; });
  all.resize(kept);
  return all;
}

// Adds up spans with the same text, whatever its case.
class QuestionAnswerer::Collected {
 public:
  void add(const Passage& passage, std::size_t first, std::size_t last, double score) {
    PassageAnswer answer;
    answer.begin_byte = passage.spans[first].begin;
    answer.end_byte = std::max<std::size_t>(passage.spans[last].end, answer.begin_byte);
    answer.text = passage.text.substr(answer.begin_byte, answer.end_byte - answer.begin_byte);
    answer.answerable = !answer.text.empty();  // byte-level BPE has tokens that are a space and stand for nothing
    answer.score = score;
    const auto [same, fresh] = places_.try_emplace(lower_case(answer.text), answers_.size());
    if (fresh)
      answers_.push_back(std::move(answer));
    else
      answers_[same->second].score += score;
  }
  bool empty() const { return answers_.empty(); }
  void add_no_answer(double score) {
    answers_.emplace_back();
    answers_.back().answerable = false;
    answers_.back().score = score;
  }

  std::vector<PassageAnswer> best(std::size_t count, std::string_view text) && {
    std::stable_sort(answers_.begin(), answers_.end(),
                     [](const PassageAnswer& a, const PassageAnswer& b) { return a.score > b.score; });
    answers_.resize(std::min(answers_.size(), count));
    for (PassageAnswer& answer : answers_) {
      answer.begin = code_points(text.substr(0, answer.begin_byte));
      answer.end = answer.begin + code_points(answer.text);
    }
    return std::move(answers_);
  }

 private:
  std::vector<PassageAnswer> answers_;
  std::unordered_map<std::string, std::size_t> places_;  // of lower-case texts, in answers_
};

Result<std::vector<PassageAnswer>> QuestionAnswerer::answer(std::string_view question, std::string_view text,
                                                            const QuestionOptions& options, Scratch& scratch) const {
  SMIDGEN_ASSIGN(const WindowShape shape, WindowShape::of(options.window, options.stride, tokens_max()));
  SMIDGEN_TRY(check(options));
  SMIDGEN_ASSIGN(const Passage passage, read(text));
  std::vector<std::int32_t> asked;
  tokenizer_->encode_plain(question, asked);
  Collected collected;
  double null_score = 1;
  EncodedPair& pair = scratch.pair_;
  for (PassageWindows windows(*tokenizer_, asked, passage.ids, shape);;) {
    const Result<bool> next = windows.next(pair);
    // The question leaves no room in a window: nothing is wrong with the passage.
    if (!next.ok()) return Error(ErrorKind::kUsage, next.error().what()).hint(next.error().hint());
    const bool more = *next;
    if (!more) break;
    const std::size_t at = windows.at();
    scratch.types_.clear();
    if (encoder_.body_config().types > 1) scratch.types_.assign(pair.segments.begin(), pair.segments.end());
    const std::size_t length = pair.ids.size();
    encoder_.forward({pair.ids, scratch.types_, {&length, 1}}, scratch.encoder_);
    for (const Candidate& candidate : candidates(scratch.encoder_.logits(), pair, options, null_score)) {
      std::size_t first = at + candidate.first, last = at + candidate.last;
      while (first > at && passage.continues[first]) --first;
      while (last + 1 < at + pair.second_count && passage.continues[last + 1]) ++last;
      collected.add(passage, first, last, candidate.score);
    }
  }
  if (options.no_answer || collected.empty()) collected.add_no_answer(null_score);
  return std::move(collected).best(options.top, text);
}

}  // namespace smidgen
