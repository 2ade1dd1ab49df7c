#include "smidgen/text/column_names.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "smidgen/base/json_write.h"

namespace smidgen {

namespace {

constexpr std::size_t kNamesListed = 20;
constexpr std::size_t kNameBytesCompared = 64;

char lower_ascii(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool is_plain_word(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
           c == '.';
  });
}

std::string flag_with(std::string_view flag, std::string_view name) {
  return std::string(flag) + " " + (is_plain_word(name) ? std::string(name) : quoted_for_message(name));
}

// The only named column that is not one of the usual others, when the text column was left at its default.
std::string_view only_candidate(const std::vector<std::string>& names) {
  static constexpr std::string_view kUsualOthers[] = {"label", "id", "group", "time", "date", "split", "class"};
  std::string_view candidate;
  for (const std::string& name : names) {
    const bool usual = std::any_of(std::begin(kUsualOthers), std::end(kUsualOthers),
                                   [&](std::string_view other) { return edit_distance(name, other) == 0; });
    if (name.empty() || usual) continue;
    if (!candidate.empty()) return {};
    candidate = name;
  }
  return candidate;
}

// One column whose name holds another delimiter: the file is not separated by what was said.
std::string hint_for_delimiter(const std::vector<std::string>& names) {
  if (names.size() != 1) return {};
  for (const char delimiter : {',', ';', '\t', '|'})
    if (names[0].find(delimiter) != std::string::npos)
      return "the columns seem to be separated by " + delimiter_in_words(delimiter) + "s: pass --delimiter " +
             (delimiter == '\t' ? "tab" : std::string("'") + delimiter + "'");
  return {};
}

}  // namespace

bool can_delimit(char c) {
  return c == '\t' || (c >= ' ' && c <= '~' && c != '"');
}

std::string delimiter_in_words(char delimiter) {
  switch (delimiter) {
    case ',':
      return "comma";
    case ';':
      return "semicolon";
    case '\t':
      return "tab";
    case '|':
      return "vertical bar";
    default:
      return std::string("'") + delimiter + "'";
  }
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
  const auto same = [](char x, char y) { return lower_ascii(x) == lower_ascii(y); };
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  std::vector<std::size_t> before, last = row;  // the rows of two characters and one character ago
  for (std::size_t i = 1; i <= a.size(); ++i) {
    before = std::exchange(last, row);
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (same(a[i - 1], b[j - 1]) ? 0 : 1)});
      if (i > 1 && j > 1 && same(a[i - 1], b[j - 2]) && same(a[i - 2], b[j - 1]))
        row[j] = std::min(row[j], before[j - 2] + 1);
    }
  }
  return row[b.size()];
}

std::string_view nearest_name(std::string_view wanted, const std::vector<std::string>& names) {
  std::string_view nearest;
  if (wanted.size() > kNameBytesCompared) return nearest;
  std::size_t best = std::max<std::size_t>(1, wanted.size() / 3) + 1;
  for (const std::string& name : names) {
    if (name.empty() || name.size() > kNameBytesCompared) continue;
    const std::size_t distance = edit_distance(wanted, name);
    if (distance < best) {
      best = distance;
      nearest = name;
    }
  }
  return nearest;
}

Error missing_name(std::string_view noun, const std::string& wanted, const std::vector<std::string>& names,
                   std::string_view flag) {
  std::string what = "no " + std::string(noun) + " " + quoted_for_message(wanted);
  what += "; the " + std::string(noun) + "s are ";
  for (std::size_t i = 0; i < names.size() && i < kNamesListed; ++i)
    what += (i > 0 ? ", " : "") + quoted_for_message(names[i]);
  if (names.empty()) what += "none";
  if (names.size() > kNamesListed) what += " and " + std::to_string(names.size() - kNamesListed) + " more";
  if (noun == "column") {
    if (std::string hint = hint_for_delimiter(names); !hint.empty())
      return Error::bad_data(std::move(what)).hint(std::move(hint));
  }
  std::string_view offer = nearest_name(wanted, names);
  std::string hint;
  if (!offer.empty()) {
    hint = "did you mean " + quoted_for_message(offer) + "? pass " + flag_with(flag, offer);
  } else if (flag == "--text-column" && wanted == "text" && !(offer = only_candidate(names)).empty()) {
    hint = "if " + quoted_for_message(offer) + " holds the text, pass " + flag_with(flag, offer);
  } else {
    hint = "pass " + std::string(flag) + " NAME";
  }
  if (noun == "column") hint += "; the first line must name the columns";
  return Error::bad_data(std::move(what)).hint(std::move(hint));
}

std::vector<WantedColumn> wanted_columns(const ReadOptions& options) {
  std::vector<WantedColumn> wanted;
  wanted.push_back({options.text_column, "--text-column", &Record::text});
  if (!options.label_column.empty())
    wanted.push_back({options.label_column, "--label-column", &Record::label, /*is_label=*/true, /*is_id=*/false,
                      /*required=*/options.soft_column.empty()});
  if (!options.group_column.empty()) wanted.push_back({options.group_column, "--group", &Record::group});
  if (!options.time_column.empty()) wanted.push_back({options.time_column, "--time", &Record::time});
  if (!options.extra_column.empty()) wanted.push_back({options.extra_column, "--large-answers", &Record::extra});
  if (!options.soft_column.empty()) wanted.push_back({options.soft_column, "--soft-column", &Record::soft});
  if (!options.source_column.empty())
    wanted.push_back({options.source_column, "--source-column", &Record::source, /*is_label=*/true});
  const auto named = [&](std::string_view name) {
    return std::any_of(wanted.begin(), wanted.end(), [&](const WantedColumn& column) { return column.name == name; });
  };
  if (!options.label_column.empty() && !named(kSampledColumn))
    wanted.push_back({kSampledColumn, "", &Record::sampled, /*is_label=*/true, false, /*required=*/false});
  const bool id_named = !options.id_column.empty();
  wanted.push_back({id_named ? options.id_column : "id", "--id-column", &Record::id_json, false, true, id_named});
  return wanted;
}

std::string_view trim_ascii(std::string_view text) {
  constexpr std::string_view kWhite = " \t\r\n";
  const std::size_t first = text.find_first_not_of(kWhite);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kWhite) - first + 1);
}

std::string quoted_for_message(std::string_view text, std::size_t bytes_max) {
  const bool cut = text.size() > bytes_max;
  if (cut) {
    text = text.substr(0, bytes_max);
    while (!text.empty() && (static_cast<unsigned char>(text.back()) & 0xc0) == 0x80) text.remove_suffix(1);
    if (!text.empty() && static_cast<unsigned char>(text.back()) >= 0xc0) text.remove_suffix(1);
  }
  std::string out;
  append_json_string(out, text);
  if (cut) out.insert(out.size() - 1, "...");
  return out;
}

}  // namespace smidgen
