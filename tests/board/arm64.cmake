# Cross compiles for the board: Debian's cross compiler, and a sysroot of arm64 packages, which board.py makes here if
# it is missing or out of date. What runs while building (protoc, Python) comes from the host.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)

get_filename_component(CMAKE_SYSROOT ${CMAKE_CURRENT_LIST_DIR}/../../build/board/sysroot ABSOLUTE)
# Once: CMake reads this file again for every check that compiles something, and board.py has seen to it before it
# builds.
if(NOT DEFINED ENV{PANBO_SYSROOT_READY})
  set(ENV{PANBO_SYSROOT_READY} 1)
  execute_process(COMMAND ${CMAKE_CURRENT_LIST_DIR}/board.py --sysroot COMMAND_ERROR_IS_FATAL ANY)
endif()

set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)

set(ENV{PKG_CONFIG_SYSROOT_DIR} ${CMAKE_SYSROOT})
set(ENV{PKG_CONFIG_LIBDIR} ${CMAKE_SYSROOT}/usr/lib/aarch64-linux-gnu/pkgconfig:${CMAKE_SYSROOT}/usr/share/pkgconfig)

# Where arm64 Debian looks for libraries; GNUInstallDirs knows that only when it does not cross compile.
set(CMAKE_INSTALL_LIBDIR lib/aarch64-linux-gnu CACHE PATH "")
