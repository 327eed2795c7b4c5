# install.cmake - what cmake --install puts where; include()d by the root CMakeLists.txt when daub is built for itself. Components:
#   runtime  the shared library
#   data     the model that comes with daub, found relative to whatever looks for it
#   tool     the command, its manual page and completions
#   dev      headers, archive, pkg-config file, CMake package
include(CMakePackageConfigHelpers)

install(DIRECTORY models/default DESTINATION ${CMAKE_INSTALL_DATADIR}/daub/models COMPONENT data PATTERN goldens EXCLUDE)
install(FILES LICENSE THIRD_PARTY.md DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT data)
install(FILES include/daub.h include/daub_base.h include/daub_model.h include/daub_sampling.h include/daub.hpp
        include/daub_parameters.h include/daub_parameters.hpp
        include/daub_vulkan.h include/daub_tools.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT dev)
install(TARGETS daub RUNTIME COMPONENT runtime LIBRARY COMPONENT runtime NAMELINK_COMPONENT dev ARCHIVE COMPONENT dev)
install(TARGETS daub_static ARCHIVE COMPONENT dev)

# ---- for programs that are built with daub ----------------------------------------------------------------------------

set(prefix_name ${CMAKE_SHARED_LIBRARY_PREFIX}daub)
set(DAUB_SHARED_SONAME ${prefix_name}${CMAKE_SHARED_LIBRARY_SUFFIX}.${PROJECT_VERSION_MAJOR})
set(DAUB_SHARED_NAME ${prefix_name}${CMAKE_SHARED_LIBRARY_SUFFIX}.${PROJECT_VERSION})
if(APPLE)
    set(DAUB_SHARED_SONAME @rpath/${prefix_name}.${PROJECT_VERSION_MAJOR}${CMAKE_SHARED_LIBRARY_SUFFIX})
    set(DAUB_SHARED_NAME ${prefix_name}.${PROJECT_VERSION}${CMAKE_SHARED_LIBRARY_SUFFIX})
endif()
set(DAUB_STATIC_NAME ${CMAKE_STATIC_LIBRARY_PREFIX}daub${CMAKE_STATIC_LIBRARY_SUFFIX})
configure_package_config_file(cmake/daubConfig.cmake.in ${PROJECT_BINARY_DIR}/daubConfig.cmake
    INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/daub PATH_VARS CMAKE_INSTALL_INCLUDEDIR CMAKE_INSTALL_LIBDIR)
# Before 1.0 a minor version may change the ABI.
write_basic_package_version_file(${PROJECT_BINARY_DIR}/daubConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/daubConfig.cmake ${PROJECT_BINARY_DIR}/daubConfigVersion.cmake
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/daub COMPONENT dev)

file(RELATIVE_PATH DAUB_PC_TO_PREFIX ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
string(REGEX REPLACE "/$" "" DAUB_PC_TO_PREFIX ${DAUB_PC_TO_PREFIX})
set(DAUB_PC_DL)
foreach(library IN LISTS CMAKE_DL_LIBS)
    string(APPEND DAUB_PC_DL "-l${library}")
endforeach()
configure_file(cmake/daub.pc.in ${PROJECT_BINARY_DIR}/daub.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/daub.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT dev)

# ---- the command ------------------------------------------------------------------------------------------------------

if(NOT DAUB_TOOLS)
    return()
endif()
install(TARGETS daub_command RUNTIME COMPONENT tool)
if(CMAKE_CROSSCOMPILING AND NOT CMAKE_CROSSCOMPILING_EMULATOR)
    message(STATUS "no manual page and no completions: daub prints them, and without CMAKE_CROSSCOMPILING_EMULATOR it does not run here")
    return()
endif()
find_program(GZIP gzip)
set(folder ${PROJECT_BINARY_DIR}/share)
file(MAKE_DIRECTORY ${folder})
set(man ${folder}/daub.1)
set(pack)
if(GZIP)
    set(man ${folder}/daub.1.gz)
    set(pack COMMAND ${GZIP} -9nf ${folder}/daub.1)
endif()
add_custom_command(OUTPUT ${man} ${folder}/daub.bash ${folder}/_daub ${folder}/daub.fish
    COMMAND daub_command man > ${folder}/daub.1
    ${pack}
    COMMAND daub_command completions bash > ${folder}/daub.bash
    COMMAND daub_command completions zsh > ${folder}/_daub
    COMMAND daub_command completions fish > ${folder}/daub.fish
    DEPENDS daub_command COMMENT "the manual page and the completions" VERBATIM)
add_custom_target(daub_share ALL DEPENDS ${man} ${folder}/daub.bash ${folder}/_daub ${folder}/daub.fish)

set(DAUB_ZSH_DIR ${CMAKE_INSTALL_DATADIR}/zsh/site-functions CACHE STRING "where zsh's completion goes; Debian: share/zsh/vendor-completions")
install(FILES ${man} DESTINATION ${CMAKE_INSTALL_MANDIR}/man1 COMPONENT tool)
install(FILES ${folder}/daub.bash DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME daub COMPONENT tool)
install(FILES ${folder}/_daub DESTINATION ${DAUB_ZSH_DIR} COMPONENT tool)
install(FILES ${folder}/daub.fish DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d COMPONENT tool)
