# The program `smidgen`, and the library behind its main.cc.
add_library(smidgen_app STATIC ${app_sources})
target_link_libraries(smidgen_app PUBLIC smidgen smidgen_flags PRIVATE CLI11::CLI11 LibArchive::LibArchive)
set_target_properties(smidgen_app PROPERTIES ARCHIVE_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/lib)
add_executable(smidgen_program ${CMAKE_CURRENT_SOURCE_DIR}/smidgen/app/main.cc)
target_link_libraries(smidgen_program PRIVATE smidgen_app)
set_target_properties(smidgen_program PROPERTIES OUTPUT_NAME smidgen RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR})
if(NOT CMAKE_CROSSCOMPILING)
  set(smidgen_pages ${CMAKE_CURRENT_BINARY_DIR}/generated)
  add_custom_command(TARGET smidgen_program POST_BUILD
                     COMMAND ${CMAKE_COMMAND} -DPROGRAM=$<TARGET_FILE:smidgen_program> -DOUT=${smidgen_pages}
                             -P ${CMAKE_CURRENT_SOURCE_DIR}/cmake/pages.cmake VERBATIM)
endif()

# The report draws with Chart.js: its UMD build, as Debian's libjs-chart.js (or npm's chart.js/dist) has it.
find_file(SMIDGEN_CHART_JS NAMES chart.umd.js chart.min.js Chart.min.js PATHS /usr/share/javascript/chart.js
          /usr/share/nodejs/chart.js/dist DOC "UMD build of Chart.js 3 or 4" NO_DEFAULT_PATH)
if(NOT SMIDGEN_CHART_JS)
  message(FATAL_ERROR "Chart.js is missing (the HTML report of `pick` embeds it). Install the Debian package "
                      "libjs-chart.js (apt-get install libjs-chart.js), or give the file: "
                      "-DSMIDGEN_CHART_JS=/path/to/chart.min.js")
endif()
set(page ${CMAKE_CURRENT_SOURCE_DIR}/smidgen/app/pick_page)
smidgen_embed(smidgen_app smidgen/app/pick_page_assets.h ${CMAKE_CURRENT_BINARY_DIR}/generated/pick_page_assets.cc
              kPickPageHtml=${page}.html kPickPageCss=${page}.css kPickPageJs=${page}.js kChartJs=${SMIDGEN_CHART_JS})

# `smidgen --version` names the commit. Asked again whenever HEAD moves; only this one file is compiled again.
find_package(Git QUIET)
if(GIT_FOUND)
  execute_process(COMMAND ${GIT_EXECUTABLE} rev-parse --short=12 HEAD WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR}
                  OUTPUT_VARIABLE smidgen_commit OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  execute_process(COMMAND ${GIT_EXECUTABLE} rev-parse --git-path logs/HEAD WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR}
                  OUTPUT_VARIABLE smidgen_head OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  if(smidgen_head)
    get_filename_component(smidgen_head ${smidgen_head} ABSOLUTE BASE_DIR ${CMAKE_CURRENT_SOURCE_DIR})
    if(EXISTS ${smidgen_head})
      set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${smidgen_head})
    endif()
  endif()
  if(smidgen_commit)
    set_source_files_properties(${CMAKE_CURRENT_SOURCE_DIR}/smidgen/app/version.cc
                                PROPERTIES COMPILE_DEFINITIONS SMIDGEN_COMMIT="${smidgen_commit}")
  endif()
endif()
