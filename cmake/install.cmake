# Headers, the compiled library, the CMake package, pkg-config files and a Debian package.
include(CMakePackageConfigHelpers)

install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/anylead DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})

set(package_folder ${CMAKE_INSTALL_LIBDIR}/cmake/anylead)
install(TARGETS anylead_lead anylead_compiled EXPORT anylead_targets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(EXPORT anylead_targets NAMESPACE anylead:: FILE anylead-targets.cmake DESTINATION ${package_folder})
# Apart, so that programs without the component need no JSON library.
install(TARGETS anylead_io EXPORT anylead_io_targets)
install(EXPORT anylead_io_targets NAMESPACE anylead:: FILE anylead-io-targets.cmake DESTINATION ${package_folder})

# Apart, so that programs for the CPU need no CUDA toolkit. The kernels come as headers too, for a program's own .cu.
if(ANYLEAD_HAS_CUDA)
  install(DIRECTORY ${PROJECT_SOURCE_DIR}/kernels/anylead DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
  install(TARGETS anylead_cuda EXPORT anylead_cuda_targets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
  install(EXPORT anylead_cuda_targets NAMESPACE anylead:: FILE anylead-cuda-targets.cmake DESTINATION ${package_folder})
endif()

configure_package_config_file(cmake/anylead-config.cmake.in ${PROJECT_BINARY_DIR}/anylead-config.cmake
                              INSTALL_DESTINATION ${package_folder})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/anylead-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/anylead-config.cmake ${PROJECT_BINARY_DIR}/anylead-config-version.cmake
        DESTINATION ${package_folder})

# The prefix of a .pc file is found from its own place, so that an install tree may be moved.
file(RELATIVE_PATH pc_prefix ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
configure_file(cmake/anylead.pc.in ${PROJECT_BINARY_DIR}/anylead.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/anylead.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME anylead-dev)
set(CPACK_PACKAGE_CONTACT "anylead contributors")
set(CPACK_DEBIAN_PACKAGE_MAINTAINER "anylead contributors")
set(CPACK_DEBIAN_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "libeigen3-dev, nlohmann-json3-dev")
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_RESOURCE_FILE_LICENSE ${PROJECT_SOURCE_DIR}/LICENSE)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
include(CPack)
