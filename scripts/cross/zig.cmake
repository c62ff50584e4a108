# Zig as a cross compiler. scripts/cross/build.mjs sets what is used here: HOLDFAST_ZIG (the program),
# HOLDFAST_ZIG_TARGET (Zig's name of the target), HOLDFAST_DLLTOOL (with the machine, Windows only), and CMake's name
# of the system.
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES HOLDFAST_ZIG HOLDFAST_ZIG_TARGET)
set(CMAKE_CXX_COMPILER "${HOLDFAST_ZIG}" c++ -target ${HOLDFAST_ZIG_TARGET})
# CMake's probes would link a program with libc++, which Zig first builds for about a minute; the addon uses none.
set(CMAKE_CXX_COMPILER_WORKS TRUE)
set(CMAKE_CXX_ABI_COMPILED TRUE)
set(CMAKE_CXX_COMPILE_FEATURES cxx_std_17)
