# Installed headers and a CMake package, so `find_package(smidgen)` gives `smidgen::smidgen`.
include(GNUInstallDirs)
install(TARGETS smidgen EXPORT smidgenTargets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(TARGETS smidgen_program RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(DIRECTORY smidgen/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/smidgen FILES_MATCHING PATTERN "*.h" PATTERN "app" EXCLUDE)
