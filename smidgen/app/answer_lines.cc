#include <algorithm>
#include <charconv>
#include <cmath>
#include <numeric>

#include "smidgen/app/run_pipeline.h"
#include "smidgen/base/json_write.h"
#include "smidgen/text/empty_text.h"

namespace smidgen {

namespace {

// Probabilities are floats: their own shortest digits, not those of the double beside it.
void append_probability(std::string& out, float value) {
  char buffer[32];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value);
  out.append(buffer, end.ptr);
}

void append_top(std::string& out, const Answer& answer, const std::vector<std::string>& labels, std::size_t top) {
  std::vector<std::uint32_t> order(labels.size());
  std::iota(order.begin(), order.end(), 0U);
  top = std::min(top, order.size());
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(top), order.end(),
                    [&](std::uint32_t a, std::uint32_t b) {
                      const float p = answer.probabilities[a], q = answer.probabilities[b];
                      return p != q ? p > q : a < b;
                    });
  out += ",\"probabilities\":{";
  for (std::size_t i = 0; i < top; ++i) {
    if (i > 0) out += ',';
    append_json_string(out, labels[order[i]]);
    out += ':';
    append_probability(out, answer.probabilities[order[i]]);
  }
  out += '}';
}

// {"id":..,"text":..,
void open_line(std::string& out, const Record& record, bool with_text) {
  out += '{';
  if (!record.id_json.empty()) {
    out += "\"id\":";
    out += record.id_json;
    out += ',';
  }
  if (!with_text) return;
  out += "\"text\":";
  append_json_string(out, record.text);
  out += ',';
}

void append_what_is_wrong(std::string& out, const Record& record) {
  open_line(out, record, false);
  out += "\"line\":" + std::to_string(record.line) + ",\"error\":";
  append_json_string(out, record.error->message());
}

void append_entity(std::string& out, const TaggedEntity& entity) {
  out += "{\"label\":";
  append_json_string(out, entity.label);
  out += ",\"text\":";
  append_json_string(out, entity.text);
  out += ",\"start\":" + std::to_string(entity.begin) + ",\"end\":" + std::to_string(entity.end) + ",\"score\":";
  if (std::isfinite(entity.score))
    append_probability(out, entity.score);
  else
    out += "null";  // weights can be such that a softmax is none
  out += '}';
}

}  // namespace

void append_answer(std::string& out, const Record& record, const Answer& answer, const std::vector<std::string>& labels,
                   std::size_t top, bool other_precision, bool with_text) {
  open_line(out, record, with_text);
  out += "\"label\":";
  append_json_string(out, answer.label);
  out += ",\"confidence\":";
  append_probability(out, answer.decision.confidence);
  out += ",\"rung\":";
  append_json_string(out, answer.rung);
  out += answer.decision.escalated ? ",\"escalated\":true" : ",\"escalated\":false";
  if (is_empty_text(record.text)) out += ",\"empty\":true";
  if (other_precision) out += ",\"certified\":false";
  if (top > 0) append_top(out, answer, labels, top);
  out += "}\n";
}

void append_bad_row(std::string& out, const Record& record) {
  append_what_is_wrong(out, record);
  out += ",\"label\":null,\"confidence\":null,\"rung\":null,\"escalated\":true}\n";
}

void append_entities(std::string& out, const Record& record, const TaggedText& tagged, bool with_text) {
  open_line(out, record, with_text);
  out += "\"entities\":[";
  for (std::size_t i = 0; i < tagged.entities.size(); ++i) {
    if (i > 0) out += ',';
    append_entity(out, tagged.entities[i]);
  }
  out += is_empty_text(record.text) ? "],\"empty\":true}\n" : "]}\n";
}

void append_bad_tagged_row(std::string& out, const Record& record) {
  append_what_is_wrong(out, record);
  out += ",\"entities\":null}\n";
}

}  // namespace smidgen
