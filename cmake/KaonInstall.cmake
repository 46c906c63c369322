# What programs outside get: kaon::core (all without I/O; libcrypto only), kaon::kaon (core, io and webrtc), kaon::sfu, and
# kaon::MODULE. Inside this build these names are the modules; installed they are libkaon-core.a and libkaon.a, or libkaon.so.
set(KAON_SO_VERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})  # below 1.0 each minor version may change the interface

get_property(modules GLOBAL PROPERTY KAON_MODULES)
set(edge_modules ${modules})
list(FILTER edge_modules INCLUDE REGEX "^(io|webrtc|sfu)$")
set(core_modules ${modules})
list(REMOVE_ITEM core_modules ${KAON_EDGE_MODULES})

add_library(kaon_core INTERFACE)
list(TRANSFORM core_modules PREPEND kaon_ OUTPUT_VARIABLE core_targets)
target_link_libraries(kaon_core INTERFACE ${core_targets})
add_library(kaon::core ALIAS kaon_core)
add_library(kaon_kaon INTERFACE)
target_link_libraries(kaon_kaon INTERFACE kaon_core kaon_webrtc)
add_library(kaon::kaon ALIAS kaon_kaon)

if(NOT KAON_INSTALL OR KAON_SANITIZE)
  return()
endif()
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

# kaon_bundle(TARGET TYPE NAME MODULE...): a library NAME of the modules' objects, with their headers.
function(kaon_bundle target type name)
  set(objects "")
  set(headers "")
  foreach(module IN LISTS ARGN)
    get_target_property(module_type kaon_${module} TYPE)
    if(module_type STREQUAL STATIC_LIBRARY)
      list(APPEND objects $<TARGET_OBJECTS:kaon_${module}>)
    endif()
    get_property(module_headers GLOBAL PROPERTY KAON_HEADERS_${module})
    list(APPEND headers ${module_headers})
  endforeach()
  add_library(${target} ${type} ${objects})
  set_target_properties(${target} PROPERTIES OUTPUT_NAME ${name} LINKER_LANGUAGE CXX)
  target_compile_features(${target} PUBLIC cxx_std_23)
  target_sources(${target} PUBLIC FILE_SET HEADERS BASE_DIRS ${PROJECT_SOURCE_DIR} FILES ${headers})
endfunction()

kaon_bundle(kaon_core_static STATIC kaon-core ${core_modules})
target_link_libraries(kaon_core_static PRIVATE OpenSSL::Crypto)
kaon_bundle(kaon_static STATIC kaon ${edge_modules})
target_link_libraries(kaon_static PUBLIC kaon_core_static Threads::Threads PRIVATE OpenSSL::SSL)
set_target_properties(kaon_core_static PROPERTIES EXPORT_NAME core)
set_target_properties(kaon_static PROPERTIES EXPORT_NAME kaon)

set(exports ${CMAKE_CURRENT_BINARY_DIR}/kaon.map)
add_custom_command(OUTPUT ${exports}
  COMMAND ${CMAKE_COMMAND} -DNM=${CMAKE_NM} "-DARCHIVES=$<TARGET_FILE:kaon_core_static>;$<TARGET_FILE:kaon_static>"
    -DOUT=${exports} -P ${PROJECT_SOURCE_DIR}/cmake/exports.cmake
  DEPENDS kaon_core_static kaon_static ${PROJECT_SOURCE_DIR}/cmake/exports.cmake VERBATIM)
kaon_bundle(kaon_shared SHARED kaon ${core_modules} ${edge_modules})
target_sources(kaon_shared PRIVATE ${exports})
target_link_libraries(kaon_shared PRIVATE OpenSSL::SSL OpenSSL::Crypto Threads::Threads)
target_link_options(kaon_shared PRIVATE LINKER:--version-script=${exports} LINKER:-Bsymbolic-functions LINKER:--no-undefined
  LINKER:--as-needed)
set_target_properties(kaon_shared PROPERTIES EXPORT_NAME kaon VERSION ${PROJECT_VERSION} SOVERSION ${KAON_SO_VERSION}
  LINK_DEPENDS ${exports})

# Components: devel (headers, CMake, pkg-config), static, shared (what running programs need), shared-devel (what linking with it
# needs), server (the command and its service).
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/kaon)
install(TARGETS kaon_core_static kaon_static EXPORT kaon-static-targets
  ARCHIVE COMPONENT static FILE_SET HEADERS COMPONENT devel)
install(TARGETS kaon_shared EXPORT kaon-shared-targets
  LIBRARY COMPONENT shared NAMELINK_COMPONENT shared-devel FILE_SET HEADERS COMPONENT devel)
install(EXPORT kaon-static-targets NAMESPACE kaon:: DESTINATION ${package_dir} COMPONENT static)
install(EXPORT kaon-shared-targets NAMESPACE kaon:: DESTINATION ${package_dir} COMPONENT shared-devel)
set(KAON_CORE_MODULES ${core_modules})
list(JOIN core_modules "|" KAON_CORE_MODULES_REGEX)
set(KAON_INSTALLED_EDGE_MODULES ${edge_modules})
configure_package_config_file(cmake/kaon-config.cmake.in kaon-config.cmake INSTALL_DESTINATION ${package_dir}
  NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(kaon-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/kaon-config.cmake ${CMAKE_CURRENT_BINARY_DIR}/kaon-config-version.cmake
  DESTINATION ${package_dir} COMPONENT devel)
file(RELATIVE_PATH KAON_PC_PREFIX /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
foreach(file kaon kaon-core)
  configure_file(cmake/${file}.pc.in ${file}.pc @ONLY)
  install(FILES ${CMAKE_CURRENT_BINARY_DIR}/${file}.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT devel)
endforeach()

if(TARGET kaon)
  include(cmake/KaonPackage.cmake)
endif()
