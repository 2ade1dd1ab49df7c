# The program `smidgen`, and the library behind its main.cc.
add_library(smidgen_app STATIC ${app_sources})
target_link_libraries(smidgen_app PUBLIC smidgen smidgen_flags PRIVATE CLI11::CLI11 LibArchive::LibArchive)
set_target_properties(smidgen_app PROPERTIES ARCHIVE_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/lib)
add_executable(smidgen_program ${CMAKE_CURRENT_SOURCE_DIR}/smidgen/app/main.cc)
target_link_libraries(smidgen_program PRIVATE smidgen_app)
set_target_properties(smidgen_program PROPERTIES OUTPUT_NAME smidgen RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR})

include(embed)
set(page ${CMAKE_CURRENT_SOURCE_DIR}/smidgen/app/pick_page)
smidgen_embed(smidgen_app smidgen/app/pick_page_assets.h ${CMAKE_CURRENT_BINARY_DIR}/generated/pick_page_assets.cc
              kPickPageHtml=${page}.html kPickPageCss=${page}.css kPickPageJs=${page}.js kChartJs=${SMIDGEN_CHART_JS})
