# Run as a script behind the program's link: writes its manual page and completion scripts, which it prints itself.
foreach(page man=smidgen.1 completion|bash=smidgen.bash completion|zsh=_smidgen completion|fish=smidgen.fish)
  string(REGEX MATCH "^([^=]+)=(.*)$" unused "${page}")
  string(REPLACE "|" ";" words "${CMAKE_MATCH_1}")
  execute_process(COMMAND ${PROGRAM} ${words} OUTPUT_FILE ${OUT}/${CMAKE_MATCH_2} COMMAND_ERROR_IS_FATAL ANY)
endforeach()
