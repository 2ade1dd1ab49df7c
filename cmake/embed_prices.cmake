# The dated price list becomes a string in the program; edit smidgen/learn/prices.json, not the generated header.
set(prices ${CMAKE_CURRENT_SOURCE_DIR}/smidgen/learn/prices.json)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${prices})
file(READ ${prices} prices_json)
file(CONFIGURE OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/generated/smidgen/learn/prices_data.h CONTENT
"// Generated from smidgen/learn/prices.json.
#pragma once
namespace smidgen {
inline constexpr char kPricesJson[] = R\"json(@prices_json@)json\";
}  // namespace smidgen
" @ONLY)
