# The command as a service, and the Debian packages that `cpack -G DEB` makes: kaon, libkaon0.1 and libkaon-dev.
install(TARGETS kaon RUNTIME COMPONENT server)
install(FILES packaging/kaon.service DESTINATION lib/systemd/system COMPONENT server)
# Not under the prefix, so only on demand: cmake --install FOLDER --component config.
install(FILES packaging/kaon.toml DESTINATION /etc/kaon COMPONENT config PERMISSIONS OWNER_READ OWNER_WRITE EXCLUDE_FROM_ALL)
foreach(package kaon libkaon${KAON_SO_VERSION} libkaon-dev)
  set(component server)
  if(package STREQUAL "libkaon-dev")
    set(component devel)
  elseif(NOT package STREQUAL "kaon")
    set(component shared)
  endif()
  install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DATAROOTDIR}/doc/${package} RENAME copyright COMPONENT ${component})
endforeach()

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_PACKAGE_VENDOR "The Kaon project")
set(CPACK_PACKAGE_CONTACT "The Kaon project <kaon@localhost>")
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_HOMEPAGE "")
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_COMPONENTS_ALL server config shared devel static shared-devel)
set(CPACK_COMPONENTS_GROUPING ONE_PER_GROUP)
set(CPACK_COMPONENT_SERVER_GROUP server)
set(CPACK_COMPONENT_CONFIG_GROUP server)
set(CPACK_COMPONENT_SHARED_GROUP shared)
set(CPACK_COMPONENT_DEVEL_GROUP devel)
set(CPACK_COMPONENT_STATIC_GROUP devel)
set(CPACK_COMPONENT_SHARED-DEVEL_GROUP devel)

set(CPACK_DEBIAN_SERVER_PACKAGE_NAME kaon)
set(CPACK_DEBIAN_SERVER_PACKAGE_SECTION net)
set(CPACK_DEBIAN_SERVER_DESCRIPTION "WebRTC media server
 Takes streams by WHIP and hands them to many viewers by WHEP, with a web page of its own. One command, kaon, is the server
 and sends and records streams.")
set(CPACK_DEBIAN_SERVER_PACKAGE_CONTROL_EXTRA "${PROJECT_SOURCE_DIR}/packaging/deb/conffiles"
  "${PROJECT_SOURCE_DIR}/packaging/deb/postinst" "${PROJECT_SOURCE_DIR}/packaging/deb/prerm" "${PROJECT_SOURCE_DIR}/packaging/deb/postrm")
set(CPACK_DEBIAN_SERVER_PACKAGE_CONTROL_STRICT_PERMISSION ON)

set(CPACK_DEBIAN_SHARED_PACKAGE_NAME libkaon${KAON_SO_VERSION})
set(CPACK_DEBIAN_SHARED_PACKAGE_SECTION libs)
set(CPACK_DEBIAN_SHARED_PACKAGE_GENERATE_SHLIBS ON)
set(CPACK_DEBIAN_SHARED_PACKAGE_CONTROL_EXTRA "${PROJECT_SOURCE_DIR}/packaging/deb/triggers")
set(CPACK_DEBIAN_SHARED_DESCRIPTION "WebRTC stack, shared library
 ICE, DTLS, SRTP, SCTP, data channels, offer and answer under an interface shaped like the browser's.")

set(CPACK_DEBIAN_DEVEL_PACKAGE_NAME libkaon-dev)
set(CPACK_DEBIAN_DEVEL_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_DEVEL_PACKAGE_DEPENDS "libkaon${KAON_SO_VERSION} (= ${PROJECT_VERSION}), libssl-dev (>= 3.0)")
set(CPACK_DEBIAN_DEVEL_PACKAGE_SHLIBDEPS OFF)
set(CPACK_DEBIAN_DEVEL_DESCRIPTION "WebRTC stack, files for development
 Headers, static libraries, and files for CMake and pkg-config.")
include(CPack)
