# `cmake --install` puts the command, the libraries, the public headers and a CMake package (find_package(tacet)) in place.
include(CMakePackageConfigHelpers)

get_property(libraries GLOBAL PROPERTY TACET_LIBRARIES)
install(TARGETS ${libraries} tacet_torch EXPORT tacetTargets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(TARGETS tacet RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(DIRECTORY include/tacet DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(DIRECTORY recipes DESTINATION ${CMAKE_INSTALL_DATADIR}/tacet)
install(EXPORT tacetTargets NAMESPACE tacet:: DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/tacet)
configure_package_config_file(cmake/tacetConfig.cmake.in ${CMAKE_BINARY_DIR}/tacetConfig.cmake
  INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/tacet)
write_basic_package_version_file(${CMAKE_BINARY_DIR}/tacetConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/tacetConfig.cmake ${CMAKE_BINARY_DIR}/tacetConfigVersion.cmake
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/tacet)
