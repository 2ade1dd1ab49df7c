// Questions in the form of SQuAD from any bytes: what is read keeps its promises.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "smidgen/text/question_rows.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const bool document = bytes.starts_with("[") || bytes.find("\"data\"") != std::string_view::npos;
  const auto rows = smidgen::parse_question_rows(bytes, !document);
  if (!rows.ok()) {
    if (rows.error().message().empty()) std::abort();
    return 0;
  }
  for (const smidgen::QuestionRow& row : rows->rows) {
    const std::string_view passage = rows->passages.at(row.passage);
    for (const smidgen::KnownAnswer& answer : row.answers)
      if (answer.text.empty() || passage.substr(answer.begin_byte, answer.end_byte - answer.begin_byte) != answer.text)
        std::abort();
  }
  return 0;
}
