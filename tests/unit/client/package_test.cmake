# Installs libpanbo, and builds and runs programs against what was installed.
#   cmake -DBUILD=build/release -DSOURCE=package -DLIBDIR=lib -DWORK=dir -DGENERATOR=Ninja -P package_test.cmake
file(REMOVE_RECURSE ${WORK})
set(ENV{DESTDIR})
foreach(component IN ITEMS libpanbo libpanbo-dev)
  execute_process(COMMAND ${CMAKE_COMMAND} --install ${BUILD} --prefix ${WORK}/root --component ${component}
    OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
endforeach()
set(ENV{PKG_CONFIG_PATH} ${WORK}/root/${LIBDIR}/pkgconfig)
execute_process(COMMAND ${CMAKE_COMMAND} -G ${GENERATOR} -S ${SOURCE} -B ${WORK}/build -DCMAKE_PREFIX_PATH=${WORK}/root
  OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${CMAKE_COMMAND} --build ${WORK}/build OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
set(ENV{LD_LIBRARY_PATH} ${WORK}/root/${LIBDIR})
foreach(program IN ITEMS by-cmake by-pkg-config)
  execute_process(COMMAND ${WORK}/build/${program} COMMAND_ERROR_IS_FATAL ANY)
endforeach()
