# One function makes a room: a static library from every source in its folder, and one test program
# from every *_test.cc beside them. A file's suffix says its instruction set (_avx2, _avx512,
# _avx512vnni, _amx, _baseline) or its processor (_x86, _aarch64); flags are set nowhere else.

include(CheckCXXCompilerFlag)

# Flags of one source file, from its name: _avx2, _avx512, _avx512vnni or _amx.
function(freehold_isa_flags file)
  if(file MATCHES "_avx2\\.cc$")
    set(flags -mavx2 -mfma -mf16c -mbmi2)
  elseif(file MATCHES "_avx512vnni\\.cc$")
    # No VBMI: the rung does not promise it (device/isa.h) and the compiler would use it unasked.
    set(flags -march=x86-64-v4 -mavx512vnni -mprefer-vector-width=512)
  elseif(file MATCHES "_amx\\.cc$")
    set(flags -march=x86-64-v4 -mavx512vnni -mamx-tile -mamx-int8 -mprefer-vector-width=512)
  elseif(file MATCHES "_avx512\\.cc$")
    set(flags -march=x86-64-v4 -mprefer-vector-width=512)
  elseif(file MATCHES "_baseline\\.cc$")
    # Runs before the CPU is known to be good enough, so that it can refuse by name.
    set(flags -march=x86-64)
  else()
    return()
  endif()
  if(file MATCHES "_(avx512|amx)" AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # g++ 12 warns about the "undefined" operands inside its own AVX-512 intrinsics (GCC bug 105593).
    list(APPEND flags -Wno-maybe-uninitialized)
  endif()
  set_source_files_properties(${file} PROPERTIES COMPILE_OPTIONS "${flags}")
endfunction()

# Under the sanitizers, kernels that are one big inlined function take minutes to compile if every
# inlined variable and reference is watched. They keep what finds real faults: reads and writes beyond
# heap and caller's memory, shifts and overflows.
function(freehold_kernel_sanitizers file)
  if(NOT FREEHOLD_SANITIZE MATCHES "address" OR NOT file MATCHES "_(avx2|avx512|avx512vnni|amx|emulated)\\.cc$")
    return()
  endif()
  set(flags -fno-sanitize=null,alignment,object-size,pointer-overflow
            -fno-sanitize-address-use-after-scope)
  # Checks as calls instead of inline code: slower to run, many times faster to compile.
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    list(APPEND flags --param=asan-stack=0 --param=asan-instrumentation-with-call-threshold=0)
  else()
    list(APPEND flags -mllvm -asan-instrumentation-with-call-threshold=0)
  endif()
  set_property(SOURCE ${file} APPEND PROPERTY COMPILE_OPTIONS ${flags})
endfunction()

# Sources of `folder`, without tests, benchmarks and files of another processor.
function(freehold_sources out folder)
  file(GLOB_RECURSE files CONFIGURE_DEPENDS ${folder}/*.cc)
  list(FILTER files EXCLUDE REGEX "_(test|bench)\\.cc$")
  if(FREEHOLD_CROSS)
    list(FILTER files EXCLUDE REGEX "/base/json_parse\\.cc$")  # needs simdjson
    list(FILTER files EXCLUDE REGEX "/io/uring_read_queue\\.cc$")  # needs liburing
    list(FILTER files EXCLUDE REGEX "/io/http_(client|download|exchange|file)\\.cc$")  # needs libcurl
    list(FILTER files EXCLUDE REGEX "/tokenizer/pattern_cutter\\.cc$")  # needs PCRE2
  endif()
  if(NOT FREEHOLD_X86)
    list(FILTER files EXCLUDE REGEX "_(avx2|avx512|avx512vnni|amx|baseline|x86)\\.cc$")
  else()
    list(FILTER files EXCLUDE REGEX "_aarch64\\.cc$")
  endif()
  foreach(file ${files})
    if(FREEHOLD_X86)
      freehold_isa_flags(${file})
    endif()
    freehold_kernel_sanitizers(${file})
  endforeach()
  set(${out} ${files} PARENT_SCOPE)
endfunction()

# freehold_room(NAME [rooms and libraries it may use])
function(freehold_room name)
  set(folder ${PROJECT_SOURCE_DIR}/src/${name})
  string(REPLACE "/" "_" target ${name})
  freehold_sources(sources ${folder})
  if(sources)
    add_library(${target} STATIC ${sources})
    target_link_libraries(${target} PUBLIC freehold_flags ${ARGN})
  else()
    add_library(${target} INTERFACE)
    target_link_libraries(${target} INTERFACE freehold_flags ${ARGN})
  endif()
  file(GLOB_RECURSE tests CONFIGURE_DEPENDS ${folder}/*_test.cc)
  if(NOT FREEHOLD_X86)
    list(FILTER tests EXCLUDE REGEX "_x86_test\\.cc$")
  endif()
  if(tests AND FREEHOLD_TESTS)
    foreach(test ${tests})
      if(FREEHOLD_X86)
        freehold_isa_flags(${test})
      endif()
    endforeach()
    add_executable(${target}_test ${tests})
    target_link_libraries(${target}_test PRIVATE ${target} GTest::gtest GTest::gtest_main)
    target_compile_definitions(${target}_test PRIVATE
      FREEHOLD_SOURCE_DIR="${PROJECT_SOURCE_DIR}" FREEHOLD_BUILD_DIR="${PROJECT_BINARY_DIR}")
    add_test(NAME ${target}_test COMMAND ${target}_test WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
  endif()
endfunction()
