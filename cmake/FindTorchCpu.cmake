# Finds the parts of libtorch that compute on processors: headers, libtorch_cpu and libc10, in the system's folders or below
# CMAKE_PREFIX_PATH, which may be torch.utils.cmake_prefix_path of a Python. Torch's own CMake package is not asked: that of a wheel
# with CUDA wants the whole CUDA toolkit, and Debian's tells neither where torch/torch.h lies nor what to link.
#
# Sets TorchCpu_FOUND, TorchCpu_VERSION, TACET_TORCH_INCLUDES, TACET_TORCH_CPU and TACET_C10.

# What was found before is kept only as long as the same places are asked for: a build folder made with the system's torch would
# go on with that one.
set(asked "${CMAKE_PREFIX_PATH};$ENV{CMAKE_PREFIX_PATH}")
if(DEFINED TACET_TORCH_ASKED AND NOT asked STREQUAL TACET_TORCH_ASKED)
  foreach(found TACET_ATEN TACET_TORCH_API TACET_TORCH_CPU TACET_C10)
    unset(${found} CACHE)
  endforeach()
endif()
set(TACET_TORCH_ASKED "${asked}" CACHE INTERNAL "the prefixes below which torch was looked for")
find_path(TACET_ATEN ATen/ATen.h PATH_SUFFIXES ../../include)
find_path(TACET_TORCH_API torch/torch.h HINTS ${TACET_ATEN} PATH_SUFFIXES torch/csrc/api/include NO_DEFAULT_PATH)
find_path(TACET_TORCH_API torch/torch.h PATH_SUFFIXES torch/csrc/api/include)
find_library(TACET_TORCH_CPU torch_cpu HINTS ${TACET_ATEN}/../lib)
find_library(TACET_C10 c10 HINTS ${TACET_ATEN}/../lib)
mark_as_advanced(TACET_ATEN TACET_TORCH_API TACET_TORCH_CPU TACET_C10)
if(TACET_ATEN)
  get_filename_component(TACET_ATEN ${TACET_ATEN} ABSOLUTE)
endif()
set(TACET_TORCH_INCLUDES ${TACET_TORCH_API})
if(TACET_ATEN AND NOT TACET_ATEN IN_LIST CMAKE_CXX_IMPLICIT_INCLUDE_DIRECTORIES)
  # A wheel's folder holds the headers of fmt, oneDNN and protobuf too, of other versions than the libraries that tacet links.
  # So the compiler sees a folder with torch's own alone.
  set(own ${CMAKE_BINARY_DIR}/torch-headers)
  file(MAKE_DIRECTORY ${own})
  foreach(part ATen c10 caffe2 torch)
    if(EXISTS ${TACET_ATEN}/${part})
      file(CREATE_LINK ${TACET_ATEN}/${part} ${own}/${part} SYMBOLIC)
    endif()
  endforeach()
  set(TACET_TORCH_INCLUDES ${own}/torch/csrc/api/include ${own})
endif()

set(TorchCpu_VERSION "")
set(reason DEFAULT_MSG)
if(TACET_TORCH_API)
  file(STRINGS ${TACET_TORCH_API}/torch/version.h lines REGEX "define TORCH_VERSION_(MAJOR|MINOR|PATCH)")
  if(NOT lines)  # from 2.8 on the numbers are in a header of their own
    file(STRINGS ${TACET_ATEN}/torch/headeronly/version.h lines REGEX "define TORCH_VERSION_(MAJOR|MINOR|PATCH)")
  endif()
  list(TRANSFORM lines REPLACE "[^0-9]" "")
  list(JOIN lines . TorchCpu_VERSION)
  # Wheels before 2.7 were made for strings and lists of another layout than the other libraries have.
  set(config ${TACET_ATEN}/../share/cmake/Torch/TorchConfig.cmake)
  if(EXISTS ${config})
    file(STRINGS ${config} old REGEX "_GLIBCXX_USE_CXX11_ABI=0")
    if(old)
      set(TorchCpu_FOUND FALSE)
      set(reason "the torch ${TorchCpu_VERSION} in ${TACET_ATEN} was built with the old C++ ABI: take a torch of 2.7 or later")
      set(TACET_TORCH_CPU TACET_TORCH_CPU-NOTFOUND)
    endif()
  endif()
endif()
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(TorchCpu REQUIRED_VARS TACET_TORCH_CPU TACET_C10 TACET_TORCH_API TACET_ATEN
  VERSION_VAR TorchCpu_VERSION REASON_FAILURE_MESSAGE "${reason}")
