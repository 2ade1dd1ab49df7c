// Finding a column or key by name, and saying helpfully that it is not there.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "smidgen/base/result.h"
#include "smidgen/text/record_reader.h"

namespace smidgen {

// What may stand between columns: a tab or a printable ASCII character other than a double quote.
bool can_delimit(char c);
// "comma", "semicolon", "tab", "vertical bar", else the character in single quotes.
std::string delimiter_in_words(char delimiter);

// How many bytes to insert, delete, change or swap with the next (each swapped pair left as it then is: optimal string
// alignment), ASCII letters compared without case. Cost: product of the lengths.
std::size_t edit_distance(std::string_view a, std::string_view b);

// The name nearest to `wanted`, or empty when none is near: within a third of the letters, at least one. Names of more
// than 64 bytes are passed over.
std::string_view nearest_name(std::string_view wanted, const std::vector<std::string>& names);

// The error for `wanted`, which `names` lacks. noun: "column" or "key"; flag: the option that chooses it.
Error missing_name(std::string_view noun, const std::string& wanted, const std::vector<std::string>& names,
                   std::string_view flag);

// The columns a reader was asked for, with the option that names each. Absent ones are not listed.
struct WantedColumn {
  std::string name;
  const char* flag;             // "--text-column"
  std::string Record::*member;  // where the value goes
  bool is_label = false;        // surrounding ASCII white space is removed
  bool is_id = false;           // goes to Record::id_json, written as JSON
  bool required = true;         // false: the default id, "sampled", and the label where there are probabilities
};
// How a labelled row was drawn, where the file says so (docs/labels.md): "random", or "chosen" by `plan`.
inline constexpr char kSampledColumn[] = "sampled", kSampledChosen[] = "chosen";
std::vector<WantedColumn> wanted_columns(const ReadOptions& options);

// Without ASCII space, tab, CR, LF at both ends.
std::string_view trim_ascii(std::string_view text);
// At most `bytes_max` bytes of foreign text for a message: quoted, control and invalid bytes escaped, "..." when cut.
std::string quoted_for_message(std::string_view text, std::size_t bytes_max = 64);

}  // namespace smidgen
