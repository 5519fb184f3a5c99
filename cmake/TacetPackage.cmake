# Debian packages: `cmake --preset package && cmake --build build/package --target package` makes two. `tacet` is the command with its
# recipes, pages, manual page and completions; `libtacet-dev` is the library for programs of one's own.
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME tacet)
set(CPACK_PACKAGE_VENDOR "The tacet developers")
set(CPACK_PACKAGE_CONTACT "The tacet developers")
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "communication-efficient distributed and federated training")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS
  OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
set(CPACK_COMPONENTS_ALL command development)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)

set(CPACK_DEBIAN_COMMAND_PACKAGE_NAME tacet)
set(CPACK_DEBIAN_COMMAND_PACKAGE_SECTION science)
set(CPACK_DEBIAN_COMMAND_DESCRIPTION
  "The command tacet, which trains neural networks with local steps and gradient clipping
on many machines, or many simulated clients: CELGC, EPISODE, EPISODE++ and their
baselines, on CPUs.")
# Libraries are found in the program. libtorch asks for any BLAS; this one shares its threads.
set(CPACK_DEBIAN_COMMAND_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_COMMAND_PACKAGE_DEPENDS libopenblas0-openmp)
set(CPACK_DEBIAN_COMMAND_PACKAGE_RECOMMENDS sentencepiece)
set(CPACK_DEBIAN_COMMAND_PACKAGE_SUGGESTS "dataset-fashion-mnist, libtacet-dev")

set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_NAME libtacet-dev)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_DEVELOPMENT_DESCRIPTION
  "The library of tacet, for algorithms, models, data and objectives of one's own: headers,
static libraries, a CMake package (find_package(tacet)) and examples.")
# These are what tacetConfig.cmake looks for.
string(JOIN ", " CPACK_DEBIAN_DEVELOPMENT_PACKAGE_DEPENDS
  libtorch-dev libdnnl-dev libopenblas0-openmp libcli11-dev libtomlplusplus-dev nlohmann-json3-dev libfmt-dev libssl-dev liblzma-dev
  zlib1g-dev libturbojpeg0-dev libpng-dev libwebp-dev libtiff-dev libgif-dev libprotobuf-dev protobuf-compiler libcurl4-openssl-dev libarchive-dev libcpp-httplib-dev)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_RECOMMENDS "cmake, g++")

include(CPack)
