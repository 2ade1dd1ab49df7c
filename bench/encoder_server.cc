// One engine of bench/peers/run.py: an encoder that answers lines on standard input, as engine.py does for the peers.
//
//   bench_encoder_server FOLDER PRECISION
//
//   time ROWS TOKENS SECONDS    -> median milliseconds of a call
//   embed ID ID ..              -> the pooled vector of one sequence, before any normalisation
//   texts FILE THREADS BATCH    -> rows a second: one text a line, tokenized and embedded in order
#include <algorithm>
#include <atomic>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "smidgen/base/clock.h"
#include "smidgen/base/random.h"
#include "smidgen/model/encoder.h"

namespace {

using namespace smidgen;  // NOLINT(google-build-using-namespace): one small program
double time_calls(const Encoder& encoder, std::size_t rows, std::size_t tokens, double seconds) {
  Random random(1000 * rows + tokens);
  std::vector<std::vector<std::int32_t>> ids(rows);
  for (auto& row : ids)
    for (std::size_t i = 0; i < tokens; ++i)
      row.push_back(static_cast<std::int32_t>(random.below(encoder.vocabulary_size())));
  const std::vector<std::span<const std::int32_t>> spans(ids.begin(), ids.end());
  Encoder::Scratch scratch;
  std::vector<float> out(rows * encoder.dimensions());
  for (int i = 0; i < 2; ++i) encoder.embed(spans, scratch, out.data());
  std::vector<double> ms;
  for (const auto start = steady_now(); ms.size() < 3 || seconds_since(start) < seconds;) {
    const auto before = steady_now();
    encoder.embed(spans, scratch, out.data());
    ms.push_back(1e3 * seconds_since(before));
  }
  std::nth_element(ms.begin(), ms.begin() + static_cast<std::ptrdiff_t>(ms.size() / 2), ms.end());
  return ms[ms.size() / 2];
}

std::string embed(const Encoder& encoder, std::istream& words) {
  std::vector<std::int32_t> ids;
  for (std::int32_t id = 0; words >> id;) ids.push_back(id);
  const std::span<const std::int32_t> span(ids);
  Encoder::Scratch scratch;
  std::vector<float> out(encoder.dimensions());
  encoder.embed({&span, 1}, scratch, out.data());
  std::ostringstream line;
  line.precision(9);
  for (const float x : out) line << x << ' ';
  return line.str();
}

// Rows in the order in which they came, a batch at a time, each thread taking the next.
double rows_per_second(const Encoder& encoder, const std::vector<std::string>& texts, std::size_t threads,
                       std::size_t batch) {
  const auto start = steady_now();
  std::atomic<std::size_t> next = 0;
  std::vector<float> out(texts.size() * encoder.dimensions());
  const auto work = [&] {
    Encoder::Scratch scratch;
    std::vector<std::vector<std::int32_t>> ids(batch);
    std::vector<std::span<const std::int32_t>> spans;
    for (std::size_t first = 0; (first = next.fetch_add(batch)) < texts.size();) {
      spans.clear();
      for (std::size_t row = first; row < std::min(texts.size(), first + batch); ++row) {
        ids[row - first].clear();
        encoder.tokenizer().encode(texts[row], 256, ids[row - first]);
        spans.emplace_back(ids[row - first]);
      }
      encoder.embed(spans, scratch, out.data() + first * encoder.dimensions());
    }
  };
  std::vector<std::thread> others;
  for (std::size_t i = 1; i < threads; ++i) others.emplace_back(work);
  work();
  for (std::thread& other : others) other.join();
  return static_cast<double>(texts.size()) / seconds_since(start);
}

// The answer to one line; empty when it is no question.
std::string answer(const Encoder& encoder, const std::string& line) {
  std::istringstream words(line);
  std::string what, file;
  words >> what;
  if (what == "embed") return embed(encoder, words);
  std::size_t first = 0, second = 0;
  double seconds = 0;
  if (what == "time" && words >> first >> second >> seconds && first >= 1 && first <= 4096 && second >= 1 &&
      second <= encoder.tokens_max())
    return std::to_string(time_calls(encoder, first, second, seconds));
  if (what != "texts" || !(words >> file >> first >> second) || first < 1 || second < 1) return {};
  std::ifstream input(file);
  std::vector<std::string> texts;
  for (std::string text; std::getline(input, text);) texts.push_back(text);
  return std::to_string(rows_per_second(encoder, texts, first, second));
}

}  // namespace

int main(int count, char** arguments) {
  const auto precision = count == 3 ? smidgen::precision_by_name(arguments[2]) : std::nullopt;
  if (!precision) {
    std::fprintf(stderr, "usage: bench_encoder_server FOLDER f32|bf16|int8\n");
    return 64;
  }
  // With its tokenizer where it has one: a model made for timing alone may come without.
  auto encoder = smidgen::Encoder::load(arguments[1], {.tokens_max = 512, .precision = *precision});
  if (!encoder.ok()) encoder = smidgen::Encoder::load_body(arguments[1], {.tokens_max = 512, .precision = *precision});
  if (!encoder.ok()) {
    std::fprintf(stderr, "%s\n", encoder.error().message().c_str());
    return encoder.error().exit_code();
  }
  std::printf("%s %s\n", encoder->kernels().name, arguments[2]);
  std::fflush(stdout);
  for (std::string line; std::getline(std::cin, line);) {
    std::printf("%s\n", answer(*encoder, line).c_str());
    std::fflush(stdout);
  }
  return 0;
}
