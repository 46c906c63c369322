# kaon_module(NAME): one folder is one target kaon_NAME; x.cc are its sources, x_test.cc its tests (one program per module). What
# it links is what tests/lint/layers.txt allows it to include. Its headers outside internal/ are installed, but for those behind
# NOT_INSTALLED; and those behind INSTALLED too. Files whose names match an expression behind COLD, and each describe.cc, are compiled
# small rather than fast (half the size): no packet of media or data passes there, or one whose cost is the kernel's.

set(KAON_EDGE_MODULES io webrtc capture sfu c)  # may throw and may use RTTI, because the libraries below them do

file(STRINGS ${PROJECT_SOURCE_DIR}/tests/lint/layers.txt KAON_LAYERS REGEX "^[a-z]+:")
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/lint/layers.txt)

function(kaon_layer_of name out)
  foreach(line IN LISTS KAON_LAYERS)
    if(line MATCHES "^${name}: *(.*)$")
      string(REPLACE " " ";" modules "${CMAKE_MATCH_1}")
      set(${out} ${modules} PARENT_SCOPE)
      return()
    endif()
  endforeach()
  message(FATAL_ERROR "module '${name}' is not in tests/lint/layers.txt: add it with the modules it may include")
endfunction()

# Warnings and dialect of everything we compile.
add_library(kaon_flags INTERFACE)
target_compile_features(kaon_flags INTERFACE cxx_std_23)
# Our symbols stay visible, so that one set of objects makes the archives and the shared library, which exports only what
# cmake/exports.cmake lists (docs/adr/0009-one-set-of-objects.md). Calls among ourselves are inlined and direct nevertheless.
target_compile_options(kaon_flags INTERFACE -fPIC -Wall -Wextra -Wshadow -Wpedantic -Wnon-virtual-dtor -Wno-missing-field-initializers -fvisibility-inlines-hidden
  -fno-semantic-interposition
  $<$<BOOL:${KAON_WERROR}>:-Werror>
  # GCC 12 warns falsely about moved-out variants and inlined string copies at -O2.
  $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized -Wno-restrict -Wno-stringop-overflow -Wno-array-bounds
    -Wno-stringop-overread -Wno-dangling-pointer>)
target_include_directories(kaon_flags INTERFACE $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>)
if(KAON_SANITIZE)
  # Not vptr: it needs the type information that the core is compiled without.
  target_compile_options(kaon_flags INTERFACE -fsanitize=${KAON_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer
    $<$<CXX_COMPILER_ID:Clang>:-fno-sanitize=vptr>)
  target_link_options(kaon_flags INTERFACE -fsanitize=${KAON_SANITIZE})
endif()

add_library(kaon_core_flags INTERFACE)
target_link_libraries(kaon_core_flags INTERFACE kaon_flags)
target_compile_options(kaon_core_flags INTERFACE -fno-exceptions -fno-rtti)

# Precompiled standard headers: one for the core, one for its tests, one for the edge. Named by <...>, because the absolute
# path of a checkout in them would keep ccache from knowing the same compilation in another checkout.
function(kaon_pch name flags header)
  # Written only if it is not there: a newer file would compile everything anew.
  file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/pch/${name}.cc CONTENT "")
  add_library(${name} OBJECT ${PROJECT_BINARY_DIR}/pch/${name}.cc)
  target_link_libraries(${name} PRIVATE ${flags})
  target_precompile_headers(${name} PRIVATE ${header})
endfunction()
kaon_pch(kaon_core_pch kaon_core_flags "<cmake/pch_core.h>")
find_package(Boost 1.74 REQUIRED)  # headers only
kaon_pch(kaon_edge_pch kaon_flags "<cmake/pch_edge.h>")
target_link_libraries(kaon_edge_pch PRIVATE Boost::headers)
if(KAON_BUILD_TESTS)
  file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/generated/kaon_testdata.h
    CONTENT "// Where the test data lies.\n#pragma once\n#define KAON_TESTDATA \"${PROJECT_SOURCE_DIR}/testdata\"\n")
  # What a test itself does need not be fast, and GoogleTest's macros take half the time to compile so.
  add_library(kaon_test_flags INTERFACE)
  # gcc then sees only one half of a pair of new and delete in srtp/allocation_test.cc.
  target_compile_options(kaon_test_flags INTERFACE $<$<CONFIG:Release>:-O1> $<$<CXX_COMPILER_ID:GNU>:-Wno-mismatched-new-delete>)
  kaon_pch(kaon_edge_test_pch kaon_flags "<cmake/pch_core_test.h>")
  target_link_libraries(kaon_edge_test_pch PRIVATE kaon_test_flags GTest::gmock)
  kaon_pch(kaon_core_test_pch kaon_core_flags "<cmake/pch_core_test.h>")
  target_link_libraries(kaon_core_test_pch PRIVATE kaon_test_flags GTest::gmock)
endif()

function(kaon_module name)
  kaon_layer_of(${name} layer)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "INSTALLED;NOT_INSTALLED;COLD")
  file(GLOB headers CONFIGURE_DEPENDS RELATIVE ${CMAKE_CURRENT_SOURCE_DIR} *.h)
  list(FILTER headers EXCLUDE REGEX "test")
  list(APPEND headers ${arg_INSTALLED})
  if(arg_NOT_INSTALLED)
    list(REMOVE_ITEM headers ${arg_NOT_INSTALLED})
  endif()
  list(TRANSFORM headers PREPEND ${CMAKE_CURRENT_SOURCE_DIR}/)
  set_property(GLOBAL PROPERTY KAON_HEADERS_${name} ${headers})
  set_property(GLOBAL APPEND PROPERTY KAON_MODULES ${name})
  file(GLOB sources CONFIGURE_DEPENDS *.cc internal/*.cc)
  file(GLOB tests CONFIGURE_DEPENDS *_test.cc internal/*_test.cc)
  if(tests)
    list(REMOVE_ITEM sources ${tests})
  endif()
  list(JOIN arg_COLD "|" cold_names)
  set(cold ${sources})
  list(FILTER cold INCLUDE REGEX "/(describe|${cold_names})\\.cc$")
  # The option does not fit the precompiled header.
  set_source_files_properties(${cold} PROPERTIES COMPILE_OPTIONS $<$<CONFIG:Release>:-Os> SKIP_PRECOMPILE_HEADERS ON)
  set(flags kaon_core_flags)
  if(name IN_LIST KAON_EDGE_MODULES)
    set(flags kaon_flags)
  endif()
  if(sources)
    add_library(kaon_${name} STATIC ${sources})
    set(scope PUBLIC)
    target_link_libraries(kaon_${name} PRIVATE ${flags})
    if(flags STREQUAL kaon_core_flags)
      target_precompile_headers(kaon_${name} REUSE_FROM kaon_core_pch)
    else()
      target_precompile_headers(kaon_${name} REUSE_FROM kaon_edge_pch)
      target_link_libraries(kaon_${name} PRIVATE Boost::headers)
    endif()
  else()
    add_library(kaon_${name} INTERFACE)
    set(scope INTERFACE)
  endif()
  target_include_directories(kaon_${name} ${scope} $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}> $<INSTALL_INTERFACE:include>)
  target_compile_features(kaon_${name} ${scope} cxx_std_23)
  foreach(module IN LISTS layer)
    if(EXISTS ${PROJECT_SOURCE_DIR}/kaon/${module}/CMakeLists.txt)
      target_link_libraries(kaon_${name} ${scope} kaon_${module})
    endif()
  endforeach()
  add_library(kaon::${name} ALIAS kaon_${name})
  if(tests AND KAON_BUILD_TESTS)
    add_executable(kaon_${name}_test ${tests})
    target_link_libraries(kaon_${name}_test PRIVATE kaon_${name} ${flags} kaon_test_flags GTest::gmock_main)
    target_include_directories(kaon_${name}_test PRIVATE ${PROJECT_BINARY_DIR}/generated)
    if(flags STREQUAL kaon_core_flags)
      target_precompile_headers(kaon_${name}_test REUSE_FROM kaon_core_test_pch)
    else()
      target_precompile_headers(kaon_${name}_test REUSE_FROM kaon_edge_test_pch)
    endif()
    add_test(NAME unit.${name} COMMAND kaon_${name}_test)
    set_tests_properties(unit.${name} PROPERTIES LABELS unit TIMEOUT 300)
  endif()
endfunction()
