// Token ids, or the time they take, of texts on standard input (a line each: a JSON string, or x and the bytes in
// hexadecimal); what tokenizer_parity.py and
// tokenizer_speed.py run.
//
//   bench_tokenize FOLDER ids TOKENS_MAX     ids of each text, one line each; 0: without special tokens and limit
//   bench_tokenize FOLDER spans 0            the same with the bytes each token stands for, id:begin:end
//   bench_tokenize FOLDER speed REPEATS      "rows seconds tokens" of the fastest of REPEATS passes, one thread
#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

#include "smidgen/base/clock.h"
#include "smidgen/base/json.h"
#include "smidgen/text/tokenizer.h"

namespace {

// The bytes that "x6162ff" stands for; false when it is something else.
bool read_hex(const std::string& line, std::string& bytes) {
  bytes.clear();
  if (line.size() % 2 == 0 || line[0] != 'x') return false;
  for (std::size_t i = 1; i < line.size(); i += 2) {
    unsigned value = 0;
    const auto [end, error] = std::from_chars(line.data() + i, line.data() + i + 2, value, 16);
    if (error != std::errc() || end != line.data() + i + 2) return false;
    bytes += static_cast<char>(value);
  }
  return true;
}

std::vector<std::string> read_texts() {
  std::vector<std::string> texts;
  std::ios::sync_with_stdio(false);
  std::string bytes;
  for (std::string line; std::getline(std::cin, line);) {
    if (read_hex(line, bytes)) {
      texts.push_back(bytes);
      continue;
    }
    const auto document = smidgen::JsonDocument::parse(line);
    std::string_view text;
    if (!document.ok() || document->root().get(text) != simdjson::SUCCESS) {
      std::fprintf(stderr, "line %zu: neither a JSON string nor hexadecimal\n", texts.size() + 1);
      std::exit(65);
    }
    texts.emplace_back(text);
  }
  return texts;
}

void print_ids(const smidgen::Tokenizer& tokenizer, const std::vector<std::string>& texts, std::size_t tokens_max) {
  std::vector<std::int32_t> ids;
  for (const std::string& text : texts) {
    ids.clear();
    if (tokens_max == 0) {
      tokenizer.encode_plain(text, ids);
    } else {
      tokenizer.encode(text, tokens_max, ids);
    }
    std::string line;
    for (const std::int32_t id : ids) line += std::to_string(id) + " ";
    std::puts(line.c_str());
  }
}

void print_spans(const smidgen::Tokenizer& tokenizer, const std::vector<std::string>& texts) {
  std::vector<std::int32_t> ids;
  std::vector<smidgen::TextSpan> spans;
  for (const std::string& text : texts) {
    ids.clear();
    spans.clear();
    tokenizer.encode_spans(text, ids, spans);
    std::string line;
    for (std::size_t i = 0; i < ids.size(); ++i) {
      line += std::to_string(ids[i]) + ":" + std::to_string(spans[i].begin) + ":" + std::to_string(spans[i].end) + " ";
    }
    std::puts(line.c_str());
  }
}

void print_speed(const smidgen::Tokenizer& tokenizer, const std::vector<std::string>& texts, int repeats) {
  double best = 1e300;
  std::vector<std::int32_t> ids;
  std::size_t tokens = 0;
  for (int i = 0; i < repeats; ++i) {
    tokens = 0;
    const auto start = smidgen::steady_now();
    for (const std::string& text : texts) {
      ids.clear();
      tokenizer.encode(text, 512, ids);
      tokens += ids.size();
    }
    best = std::min(best, smidgen::seconds_since(start));
  }
  std::printf("%zu %.9f %zu\n", texts.size(), best, tokens);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: bench_tokenize FOLDER ids|spans|speed NUMBER < texts.jsonl\n");
    return 64;
  }
  const auto tokenizer = smidgen::Tokenizer::load(argv[1]);
  if (!tokenizer.ok()) {
    std::fprintf(stderr, "%s\n", tokenizer.error().message().c_str());
    return tokenizer.error().exit_code();
  }
  const std::vector<std::string> texts = read_texts();
  if (std::string_view(argv[2]) == "ids") {
    print_ids(**tokenizer, texts, static_cast<std::size_t>(std::atoi(argv[3])));
  } else if (std::string_view(argv[2]) == "spans") {
    print_spans(**tokenizer, texts);
  } else {
    print_speed(**tokenizer, texts, std::max(1, std::atoi(argv[3])));
  }
  return 0;
}
