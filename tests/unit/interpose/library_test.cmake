# What libpanbo-run.so shows to the programs that it is preloaded into, what it wants from them, and how they then run.
#   cmake -DLIBRARY=libpanbo-run.so -DRUN=panbo-run -DNM=nm -DREADELF=readelf -P library_test.cmake
execute_process(COMMAND ${NM} -D --defined-only --format=posix ${LIBRARY} OUTPUT_VARIABLE symbols
  COMMAND_ERROR_IS_FATAL ANY)
string(REGEX MATCHALL "[^\n]+" symbols "${symbols}")
list(TRANSFORM symbols REPLACE " .*" "")
list(SORT symbols)
if(NOT symbols STREQUAL "close;close_range;closefrom;dup2;dup3;ioctl")
  message(SEND_ERROR "it exports ${symbols}")
endif()

execute_process(COMMAND ${READELF} --dynamic --wide ${LIBRARY} OUTPUT_VARIABLE dynamic COMMAND_ERROR_IS_FATAL ANY)
string(REGEX MATCHALL "NEEDED[^\n]*\\[[^]\n]*\\]" needed "${dynamic}")
foreach(entry IN LISTS needed)
  if(NOT entry MATCHES "\\[(libc|libm|libstdc\\+\\+|libgcc_s|ld-linux-[a-z0-9-]+)\\.so\\.[0-9]+\\]")
    message(SEND_ERROR "needed, but neither libc nor of the compiler: ${entry}")
  endif()
endforeach()

# function(expect STATUS OUTPUT COMMAND...): OUTPUT is a regular expression for stdout and stderr together.
function(expect status output)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE result OUTPUT_VARIABLE text ERROR_VARIABLE text)
  if(NOT result EQUAL status OR NOT text MATCHES "${output}")
    message(SEND_ERROR "${ARGN}: status ${result} instead of ${status}, or not \"${output}\":\n${text}")
  endif()
endfunction()

expect(7 "^said: one two\n$" ${RUN} sh -c "echo said: $0 $1 && exit 7" one two)
expect(0 "libpanbo-run.so nocache /other.sock" ${RUN} --socket /other.sock sh -c "echo $LD_PRELOAD $PAN_MESA_DEBUG $PANBO_SOCKET")
set(ENV{LD_PRELOAD} libc.so.6)
set(ENV{PAN_MESA_DEBUG} noafbc)
expect(0 "libc.so.6:/.*libpanbo-run.so noafbc,nocache" ${RUN} sh -c "echo $LD_PRELOAD $PAN_MESA_DEBUG")
unset(ENV{LD_PRELOAD})
expect(0 "libpanbo-run" ${RUN} sh -c "sh -c 'grep libpanbo-run /proc/self/maps'")
expect(127 "panbo-run: panbo-no-such-program: not found in PATH" ${RUN} panbo-no-such-program)
expect(2 "PROGRAM" ${RUN})
expect(2 "wrong" ${RUN} --wrong-option sh)
expect(0 "set-user-ID" ${RUN} --help)
