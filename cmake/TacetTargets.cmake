# How every target of tacet is built: warnings, sanitizers, ccache shared precompiled headers, and which files are compiled together.
# The direction of dependencies is what the folders' CMakeLists.txt link; nothing here adds a link of its own.

find_program(TACET_CCACHE ccache)
if(TACET_CCACHE)
  # GCC's precompiled headers need both sloppiness settings to be cacheable.
  set(CMAKE_CXX_COMPILER_LAUNCHER
      ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime ${TACET_CCACHE})
endif()

add_library(tacet_options INTERFACE)
target_compile_features(tacet_options INTERFACE cxx_std_20)
# -Wshadow=local: of files that are compiled together, one's local name may be another's function.
# No contraction: whether a·b + c is rounded once or twice must not depend on which of a loop's versions the compiler takes, which
# may follow from addresses. Where a fused product is wanted, it is written.
# No trapping: nothing here reads floating-point exceptions, and g++ 14 leaves a loop with a choice in it scalar that g++ 12 vectorises
# where they have to be kept. Values are the same.
target_compile_options(tacet_options INTERFACE
  $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wshadow=local -Wno-unused-parameter -Wno-missing-field-initializers -Wno-restrict -fno-math-errno -fno-trapping-math -ffp-contract=off>
  $<$<AND:$<COMPILE_LANGUAGE:CXX>,$<CXX_COMPILER_ID:GNU>>:-fpch-preprocess>)
if(TACET_WERROR)
  target_compile_options(tacet_options INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Werror>)
endif()
if(TACET_SANITIZE)
  target_compile_options(tacet_options INTERFACE
    $<$<COMPILE_LANGUAGE:CXX>:-fsanitize=${TACET_SANITIZE} -fno-omit-frame-pointer -g -Wno-maybe-uninitialized -Wno-array-bounds -Wno-stringop-overflow>)
  target_link_options(tacet_options INTERFACE -fsanitize=${TACET_SANITIZE})
endif()

# Torch reaches our targets through this one; its headers are not ours to warn about.
add_library(tacet_torch INTERFACE)
target_include_directories(tacet_torch SYSTEM INTERFACE "$<BUILD_INTERFACE:${TACET_TORCH_INCLUDES}>")
target_link_libraries(tacet_torch INTERFACE ${TACET_TORCH_CPU} ${TACET_C10} OpenMP::OpenMP_CXX)

# The headers that make compiling slow, precompiled once each and shared by all targets: `tensor` for files that see vectors,
# `torch` for layers, networks and tasks, `test` for test programs. Every file compiles without them (-DTACET_PCH=OFF).
option(TACET_PCH "precompile ATen's and torch's headers" ON)
# Files of a target are compiled together, which saves most of a fresh build's time: loading a precompiled header alone takes seconds.
# Where one file is edited again and again, OFF is faster (the preset dev has it).
option(TACET_UNITY "compile a target's files in groups" ON)

# Test programs are compiled without optimization: it takes half of their compiling, and what they spend time in is the library.
set(TACET_TEST_OPTIONS $<$<CONFIG:Release>:-O0>)

file(WRITE ${CMAKE_BINARY_DIR}/pch/empty.cc "")
function(tacet_define_pch flavour)
  if(TACET_PCH)
    add_library(tacet_pch_${flavour} OBJECT EXCLUDE_FROM_ALL ${CMAKE_BINARY_DIR}/pch/empty.cc)
    target_link_libraries(tacet_pch_${flavour} PRIVATE tacet_options tacet_torch)
    if(flavour STREQUAL "test")
      target_compile_options(tacet_pch_test PRIVATE ${TACET_TEST_OPTIONS})
    endif()
    target_precompile_headers(tacet_pch_${flavour} PRIVATE ${ARGN} <algorithm> <functional> <map> <memory> <string> <vector>)
  endif()
endfunction()
tacet_define_pch(tensor <ATen/core/Tensor.h> <ATen/TensorOperators.h> <ATen/Parallel.h>)
tacet_define_pch(torch <torch/nn/module.h> <torch/csrc/autograd/custom_function.h> <torch/types.h> <torch/utils.h> <ATen/Parallel.h>)

function(tacet_precompile target flavour)
  if(flavour AND TACET_PCH)
    target_precompile_headers(${target} REUSE_FROM tacet_pch_${flavour})
  endif()
endfunction()

# Puts a target's sources into groups of at most 24 that are compiled as one file each. Sources with compile options or definitions
# of their own stay alone.
function(tacet_unite target)
  if(NOT TACET_UNITY)
    return()
  endif()
  set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_MODE GROUP)
  # A header's type that holds a file's own one looks as if it were seen from several files.
  target_compile_options(${target} PRIVATE -Wno-subobject-linkage)
  set(k 0)
  foreach(source ${ARGN})
    math(EXPR group "${k} / 24")
    set_source_files_properties(${source} PROPERTIES UNITY_GROUP "g${group}")
    math(EXPR k "${k} + 1")
  endforeach()
endfunction()

# tacet_library(NAME [ONCE] PLAIN … HEAVY … LINKS … PRIVATE_LINKS … PCH tensor|torch)
# PLAIN sources include neither ATen nor torch. HEAVY ones do, and get the precompiled header. All are compiled 24 at a time.
# ONCE is for code that runs once in a run, where fast compiling counts for more than fast code. Its options are not those of the
# precompiled headers, so it has none.
function(tacet_library name)
  cmake_parse_arguments(A "ONCE" "PCH" "PLAIN;HEAVY;LINKS;PRIVATE_LINKS" ${ARGN})
  add_library(tacet_${name} STATIC ${A_PLAIN} ${A_HEAVY})
  add_library(tacet::${name} ALIAS tacet_${name})
  set_target_properties(tacet_${name} PROPERTIES EXPORT_NAME ${name})
  target_include_directories(tacet_${name}
    PUBLIC $<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}/include> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>
    PRIVATE ${CMAKE_SOURCE_DIR}/src)
  target_link_libraries(tacet_${name} PUBLIC ${A_LINKS}
    PRIVATE $<BUILD_INTERFACE:tacet_options> ${A_PRIVATE_LINKS})
  if(A_ONCE)
    target_compile_options(tacet_${name} PRIVATE $<$<CONFIG:Release>:-O1>)
  endif()
  if(A_PLAIN)
    set_source_files_properties(${A_PLAIN} PROPERTIES SKIP_PRECOMPILE_HEADERS ON)
  endif()
  tacet_unite(tacet_${name} ${A_HEAVY} ${A_PLAIN})
  tacet_precompile(tacet_${name} "${A_PCH}")
  set_property(GLOBAL APPEND PROPERTY TACET_LIBRARIES tacet_${name})
endfunction()

# tacet_built_in(OUT ROW KIND FILES…): writes the source that collects the rows of all FILES, in their order, and appends it and the
# files to the list OUT. FOLDER/NAME.cc defines built_in::NAME(), which returns a vector of ROW; the source defines built_in_KIND().
# LIBRARY:NAME stands for such a function of a library that is linked.
function(tacet_built_in out row kind)
  set(sources ${${out}})
  foreach(file ${ARGN})
    string(REGEX REPLACE "^.*[:/]" "" name ${file})
    string(APPEND declarations "std::vector<${row}> ${name}();\n")
    string(APPEND calls "           built_in::${name},\n")
    if(NOT file MATCHES ":")
      list(APPEND sources ${file}.cc)
    endif()
  endforeach()
  set(source ${CMAKE_CURRENT_BINARY_DIR}/built_in_${kind}.cc)
  file(RELATIVE_PATH list ${PROJECT_SOURCE_DIR} ${CMAKE_CURRENT_SOURCE_DIR}/CMakeLists.txt)
  file(CONFIGURE OUTPUT ${source} CONTENT [[
// Written by CMake from the list in @list@.
#include "tacet/registry.h"

namespace tacet {
namespace built_in {
@declarations@}

std::vector<@row@> built_in_@kind@() {
  std::vector<@row@> all;
  for (const auto rows : {
@calls@       })
    for (@row@& row : rows()) all.push_back(std::move(row));
  return all;
}

}  // namespace tacet
]] @ONLY)
  set(${out} ${sources} ${source} PARENT_SCOPE)
endfunction()

# tacet_test(NAME SOURCES … LINKS … [PCH test]): a GoogleTest program, one entry of CTest. Not one entry a test: loading libtorch
# takes longer than most tests. `build/release/tests/NAME/test_NAME --gtest_filter=…` runs single ones.
function(tacet_test name)
  cmake_parse_arguments(A "" "PCH;TIMEOUT" "SOURCES;LINKS" ${ARGN})
  if(NOT A_TIMEOUT)
    set(A_TIMEOUT 300)
  endif()
  add_executable(test_${name} ${A_SOURCES})
  target_include_directories(test_${name} PRIVATE ${CMAKE_SOURCE_DIR}/src ${CMAKE_SOURCE_DIR}/tests)
  target_link_libraries(test_${name} PRIVATE ${A_LINKS} tacet_options GTest::gtest_main rapidcheck)
  # The precompiled headers hold -fPIC, which CMake would turn into -fPIE for a program.
  set_target_properties(test_${name} PROPERTIES POSITION_INDEPENDENT_CODE OFF)
  target_compile_options(test_${name} PRIVATE -fPIC ${TACET_TEST_OPTIONS})
  tacet_unite(test_${name} ${A_SOURCES})
  tacet_precompile(test_${name} "${A_PCH}")
  add_test(NAME ${name} COMMAND test_${name} --gtest_brief=1)
  set_tests_properties(${name} PROPERTIES TIMEOUT ${A_TIMEOUT} LABELS ${name})
endfunction()
