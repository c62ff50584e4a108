# Zig as a cross compiler. scripts/cross/build.mjs sets what is used here: HOLDFAST_ZIG (the program),
# HOLDFAST_ZIG_TARGET (Zig's name of the target), and CMake's name of the system.
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES HOLDFAST_ZIG HOLDFAST_ZIG_TARGET)
set(CMAKE_CXX_COMPILER "${HOLDFAST_ZIG}" c++ -target ${HOLDFAST_ZIG_TARGET})
# CMake would find out what compiler this is by linking a program, for which Zig first builds a C library, libc++ and
# more, for minutes; the addon uses none of it. So CMake is told.
set(CMAKE_CXX_COMPILER_ID_RUN TRUE)
set(CMAKE_CXX_COMPILER_ID Clang)
set(CMAKE_CXX_COMPILER_VERSION 16.0.1)
set(CMAKE_CXX_COMPILER_FRONTEND_VARIANT GNU)
set(CMAKE_CXX_STANDARD_COMPUTED_DEFAULT 17)
set(CMAKE_CXX_EXTENSIONS_COMPUTED_DEFAULT ON)
set(CMAKE_CXX_COMPILER_WORKS TRUE)
set(CMAKE_CXX_ABI_COMPILED TRUE)
set(CMAKE_CXX_COMPILE_FEATURES cxx_std_17)

# The same bytes wherever the sources lie.
add_compile_options("-ffile-prefix-map=${CMAKE_SOURCE_DIR}=.")

if(HOLDFAST_ZIG_TARGET MATCHES linux-gnu)
  set(HOLDFAST_GLIBC TRUE)
endif()

if(CMAKE_SYSTEM_NAME STREQUAL Windows)
  # A hash of the content where the time of the build would be. The linker inside Zig reads options from LINK, and has
  # no other way in for this one.
  set_property(GLOBAL PROPERTY RULE_LAUNCH_LINK "\"${CMAKE_COMMAND}\" -E env LINK=/Brepro")
endif()
