# cmake -DTACET=PROGRAM -DFOLDER=DIR -P help_files.cmake: lets the command write its manual page and its completions.
file(MAKE_DIRECTORY ${FOLDER})
foreach(file "tacet.1 manual" "tacet.bash completion bash" "_tacet completion zsh" "tacet.fish completion fish")
  separate_arguments(words UNIX_COMMAND ${file})
  list(POP_FRONT words name)
  execute_process(COMMAND ${TACET} ${words} OUTPUT_FILE ${FOLDER}/${name} COMMAND_ERROR_IS_FATAL ANY)
endforeach()
