# The English words a speller tells rare words from slips by: SCOWL's American and British lists, as Debian's wamerican
# and wbritish have them, in small letters, without the words that hold anything but ASCII letters (possessives, accents).
function(smidgen_english_words out)
  set(words "")
  foreach(spelling american british)
    string(TOUPPER SMIDGEN_${spelling}_WORDS option)
    find_file(${option} NAMES ${spelling}-english PATHS /usr/share/dict NO_DEFAULT_PATH NO_CMAKE_FIND_ROOT_PATH
              DOC "English words, ${spelling} spelling, one a line, UTF-8")
    if(NOT ${option})
      message(FATAL_ERROR "A list of English words is missing (spellers embed it). Install the Debian package "
                          "w${spelling} (apt-get install w${spelling}), or give a file with a word a line, UTF-8, of "
                          "either spelling: -D${option}=/path/to/words")
    endif()
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${${option}})
    file(STRINGS ${${option}} more REGEX "^[A-Za-z]+$" ENCODING UTF-8)
    list(LENGTH more count)
    if(count LESS 20000)
      message(FATAL_ERROR "${${option}} (${option}) has ${count} words of ASCII letters, a word a line: too few")
    endif()
    list(APPEND words ${more})
  endforeach()
  string(TOLOWER "${words}" words)
  list(SORT words)
  list(REMOVE_DUPLICATES words)
  list(JOIN words "\n" words)
  file(CONFIGURE OUTPUT ${out} CONTENT "@words@\n" @ONLY)
endfunction()

set(english_words ${CMAKE_CURRENT_BINARY_DIR}/generated/english_words)
smidgen_english_words(${english_words}.txt)
smidgen_embed(smidgen_text smidgen/text/english_words.h ${english_words}.cc kEnglishWords=${english_words}.txt)
