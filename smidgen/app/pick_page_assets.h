// The files that the report page is made of, embedded by cmake/embed.cmake.
#pragma once

#include <string_view>

namespace smidgen {

extern const std::string_view kPickPageHtml, kPickPageCss, kPickPageJs;
extern const std::string_view kChartJs;  // Chart.js, UMD build (MIT licence, its notice included)

}  // namespace smidgen
