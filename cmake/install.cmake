# Installed headers and a CMake package: `find_package(smidgen)` gives `smidgen::smidgen` with all it stands on.
# tests/install_test.py installs it and builds examples/classify.cc outside the tree.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)
set(smidgen_package ${CMAKE_INSTALL_LIBDIR}/cmake/smidgen)
target_compile_features(smidgen PUBLIC cxx_std_20)
install(TARGETS smidgen EXPORT smidgenTargets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT library)
# What the notices of embedded lists want beside every copy.
foreach(component library program)
  install(DIRECTORY licences DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT ${component})
endforeach()
install(TARGETS smidgen_program RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT program)
if(smidgen_pages)
  install(FILES ${smidgen_pages}/smidgen.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1 COMPONENT program)
  install(FILES ${smidgen_pages}/smidgen.bash RENAME smidgen COMPONENT program
          DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
  install(FILES ${smidgen_pages}/_smidgen DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions COMPONENT program)
  install(FILES ${smidgen_pages}/smidgen.fish DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d
          COMPONENT program)
endif()
install(DIRECTORY smidgen/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/smidgen COMPONENT library
        FILES_MATCHING PATTERN "*.h" PATTERN "app" EXCLUDE PATTERN "fake_*.h" EXCLUDE)
install(EXPORT smidgenTargets NAMESPACE smidgen:: DESTINATION ${smidgen_package} COMPONENT library)
configure_package_config_file(cmake/smidgenConfig.cmake.in ${CMAKE_CURRENT_BINARY_DIR}/smidgenConfig.cmake
                              INSTALL_DESTINATION ${smidgen_package})
write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/smidgenConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/smidgenConfig.cmake ${CMAKE_CURRENT_BINARY_DIR}/smidgenConfigVersion.cmake
        DESTINATION ${smidgen_package} COMPONENT library)
