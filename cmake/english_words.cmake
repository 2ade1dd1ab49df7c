# The English words a speller tells rare words from slips by: SCOWL's American and British lists, as Debian's wamerican
# and wbritish have them, in small letters, without the words that hold
# anything but ASCII letters (possessives, accents).
set(words "")
foreach(spelling american british)
  string(TOUPPER SMIDGEN_${spelling}_WORDS file)
  find_file(${file} NAMES ${spelling}-english PATHS /usr/share/dict DOC "English words, ${spelling} spelling, one a line"
            NO_DEFAULT_PATH)
  if(NOT ${file})
    message(FATAL_ERROR "A list of English words is missing (spellers embed it). Install the Debian package "
                        "w${spelling} (apt-get install w${spelling}), or give a file with a word a line: "
                        "-D${file}=/path/to/words")
  endif()
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${${file}})
  file(STRINGS ${${file}} more REGEX "^[A-Za-z]+$" ENCODING UTF-8)
  list(APPEND words ${more})
endforeach()
string(TOLOWER "${words}" words)
list(SORT words)
list(REMOVE_DUPLICATES words)
list(JOIN words "\n" words)
file(CONFIGURE OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/generated/english_words.txt CONTENT "@words@\n" @ONLY)
smidgen_embed(smidgen_text smidgen/text/english_words.h ${CMAKE_CURRENT_BINARY_DIR}/generated/english_words.cc
              kEnglishWords=${CMAKE_CURRENT_BINARY_DIR}/generated/english_words.txt)
