# `cmake --install` puts the command, the libraries, the public headers and a CMake package (find_package(tacet)) in place. The
# components are those of the Debian packages (TacetPackage.cmake).
include(CMakePackageConfigHelpers)

get_filename_component(torch_folder ${TACET_TORCH_CPU} DIRECTORY)
if(NOT torch_folder IN_LIST CMAKE_CXX_IMPLICIT_LINK_DIRECTORIES)
  set_target_properties(tacet PROPERTIES INSTALL_RPATH_USE_LINK_PATH ON)  # a torch of one's own is in no folder of the system
endif()
install(TARGETS tacet RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT command)
install(DIRECTORY recipes DESTINATION ${CMAKE_INSTALL_DATADIR}/tacet COMPONENT command)
install(FILES README.md CITATION.cff DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT command)
install(DIRECTORY docs DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT command)
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR} RENAME copyright COMPONENT command)
set(help ${CMAKE_BINARY_DIR}/help)
install(FILES ${help}/tacet.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1 COMPONENT command)
install(FILES ${help}/tacet.bash DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME tacet COMPONENT command)
install(FILES ${help}/_tacet DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/vendor-completions COMPONENT command)
install(FILES ${help}/tacet.fish DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d COMPONENT command)

get_property(libraries GLOBAL PROPERTY TACET_LIBRARIES)
install(TARGETS ${libraries} tacet_torch EXPORT tacetTargets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT development)
install(DIRECTORY include/tacet DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT development)
install(DIRECTORY examples DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/libtacet-dev COMPONENT development)
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/libtacet-dev RENAME copyright COMPONENT development)
install(EXPORT tacetTargets NAMESPACE tacet:: DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/tacet COMPONENT development)
configure_package_config_file(cmake/tacetConfig.cmake.in ${CMAKE_BINARY_DIR}/tacetConfig.cmake
  INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/tacet)
write_basic_package_version_file(${CMAKE_BINARY_DIR}/tacetConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/tacetConfig.cmake ${CMAKE_BINARY_DIR}/tacetConfigVersion.cmake cmake/FindTorchCpu.cmake
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/tacet COMPONENT development)
