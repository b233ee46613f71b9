# Whether panbod.service starts panbod again after each way in which it can fail to start: it must, unless only a change
# of its settings can help. Usage: cmake -DPANBOD=... -DUNIT=... -DDIRECTORY=... -P restart_test.cmake
cmake_minimum_required(VERSION 3.25)

file(STRINGS ${UNIT} final REGEX "^RestartPreventExitStatus=")
string(REGEX REPLACE "^RestartPreventExitStatus=" "" final "${final}")
string(REPLACE " " ";" final "${final}")

function(expect what is_final text)
  file(WRITE ${DIRECTORY}/panbod.toml "${text}")
  execute_process(COMMAND ${PANBOD} --config ${DIRECTORY}/panbod.toml ${ARGN} RESULT_VARIABLE status OUTPUT_QUIET ERROR_QUIET
                  TIMEOUT 20)
  set(found FALSE)
  if(status IN_LIST final)
    set(found TRUE)
  endif()
  if(status EQUAL 0 OR NOT found STREQUAL is_final)
    message(SEND_ERROR "${what}: panbod ends with ${status}; the unit does not restart after \"${final}\"")
  endif()
endfunction()

set(SIM --device sim --socket ${DIRECTORY}/panbo.sock)
expect("an unknown key" TRUE "cache.maximum = 5" ${SIM})
expect("limits that contradict each other" TRUE "client.bos = 5\nuser.bos = 4" ${SIM})
expect("an unknown device" TRUE "device = \"gpu\"")
expect("an unknown option" TRUE "" --devise sim)
expect("a device that is not there" FALSE "" --device panfrost:/dev/null/none --socket ${DIRECTORY}/panbo.sock)
expect("a folder that is not there" FALSE "" --device sim --socket ${DIRECTORY}/none/panbo.sock)
