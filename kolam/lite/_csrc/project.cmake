# @NAME@ for @TARGET@. The library is what your own project needs; the example shows its use.
cmake_minimum_required(VERSION 3.16)
project(@NAME@ C)

add_library(@NAME@ STATIC @NAME@.c @NAME@_weights.c)
target_include_directories(@NAME@ PUBLIC ${CMAKE_CURRENT_SOURCE_DIR})
set_target_properties(@NAME@ PROPERTIES C_STANDARD 99)
target_compile_options(@NAME@ PRIVATE @OPTIMISE@ -ffp-contract=fast -fno-math-errno -fno-strict-aliasing -Wall -Wextra -Wpedantic)

add_executable(@NAME@_example @EXAMPLE@)
set_target_properties(@NAME@_example PROPERTIES C_STANDARD 99)
target_link_libraries(@NAME@_example PRIVATE @NAME@@LIBRARIES@)
@LINK@
