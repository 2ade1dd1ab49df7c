#include "smidgen/app/pick_page.h"

#include <string_view>
#include <utility>
#include <vector>

#include "smidgen/app/foreign_text.h"
#include "smidgen/app/pick_json.h"
#include "smidgen/app/pick_page_assets.h"
#include "smidgen/base/sha256.h"

namespace smidgen {

namespace {

std::string base64_of_hex(std::string_view hex) {
  static constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const auto nibble = [](char c) { return static_cast<unsigned>(c <= '9' ? c - '0' : c - 'a' + 10); };
  std::string out;
  unsigned bits = 0, value = 0;
  for (const char c : hex) {
    value = (value << 4) | nibble(c);
    bits += 4;
    if (bits >= 6) {
      bits -= 6;
      out += kDigits[(value >> bits) & 63];
    }
  }
  if (bits > 0) out += kDigits[(value << (6 - bits)) & 63];
  while (out.size() % 4 != 0) out += '=';
  return out;
}

// What a content-security-policy calls an inline script or style: the hash of the element's exact text.
std::string csp_hash(std::string_view text) {
  return "'sha256-" + base64_of_hex(sha256_hex(text)) + "'";
}

// JSON that may stand inside a <script> element: no `<` (so neither `</script` nor `<!--`), no line separators that
// old parsers take for the end of a line.
std::string json_for_script(const std::string& json) {
  std::string out;
  out.reserve(json.size() + json.size() / 16);
  for (std::size_t i = 0; i < json.size(); ++i) {
    if (json[i] == '<') {
      out += "\\u003c";
    } else if (json.compare(i, 3, "\xe2\x80\xa8") == 0) {
      out += "\\u2028";
      i += 2;
    } else if (json.compare(i, 3, "\xe2\x80\xa9") == 0) {
      out += "\\u2029";
      i += 2;
    } else {
      out += json[i];
    }
  }
  return out;
}

std::string html_escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '&':
        out += "&amp;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

// Replaces each {{name}} of the template, in one pass: what is put in is never looked at again.
std::string filled(std::string_view page, const std::vector<std::pair<std::string_view, std::string>>& parts) {
  std::string out;
  while (true) {
    const std::size_t open = page.find("{{"), close = page.find("}}");
    if (open == std::string_view::npos || close == std::string_view::npos || close < open) break;
    out += page.substr(0, open);
    const std::string_view name = page.substr(open + 2, close - open - 2);
    for (const auto& [key, value] : parts)
      if (key == name) out += value;
    page.remove_prefix(close + 2);
  }
  return out.append(page);
}

}  // namespace

std::string render_pick_page(const PickReport& report) {
  const std::string style(kPickPageCss), chart(kChartJs), script(kPickPageJs);
  const std::string name = for_terminal(base_name(report.bundle.empty() ? report.data_path : report.bundle), 80);
  const std::string csp = "default-src 'none'; script-src " + csp_hash(chart) + " " + csp_hash(script) +
                          "; style-src " + csp_hash(style) + "; base-uri 'none'; form-action 'none'";
  return filled(kPickPageHtml, {{"title", html_escaped(name)},
                                {"csp", csp},
                                {"style", style},
                                {"data", json_for_script(pick_json(report))},
                                {"chart", chart},
                                {"script", script}});
}

std::string pick_page_path(const std::string& bundle) {
  std::string path = bundle;
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  constexpr std::string_view kSuffix = ".smidgen";
  if (path.ends_with(kSuffix) && path.size() > kSuffix.size() && path[path.size() - kSuffix.size() - 1] != '/')
    path.resize(path.size() - kSuffix.size());
  return path + ".report.html";
}

}  // namespace smidgen
