# package.cmake - Debian packages by cpack: cmake --preset package && cmake --build --preset package, then cpack in build/package
#   libdaub0    the shared library
#   daub-data   the model that comes with daub, for every architecture
#   daub        the command
#   libdaub-dev headers, archive, pkg-config file, CMake package
set(DAUB_DEB_MAINTAINER "daub developers <packages@daub.invalid>" CACHE STRING "who builds the packages, as Debian writes it")

# /usr/share/doc/<package>/: licence and changelog, as Debian's policy wants them.
if(DAUB_DEB)
    set(folder ${PROJECT_BINARY_DIR}/deb)
    file(STRINGS LICENSE licence_lines)
    set(DAUB_LICENCE)
    foreach(line IN LISTS licence_lines)
        if(line STREQUAL "")
            set(line ".")
        endif()
        string(APPEND DAUB_LICENCE " ${line}\n")
    endforeach()
    string(TIMESTAMP date "%a, %d %b %Y %H:%M:%S +0000" UTC) # SOURCE_DATE_EPOCH, where that is set
    file(CONFIGURE OUTPUT ${folder}/copyright @ONLY CONTENT
"Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: daub
Comment: What daub is built with, and the works that the model learned from, stand in /usr/share/doc/daub-data.

Files: *
Copyright: 2026 the daub developers
License: Expat

License: Expat
@DAUB_LICENCE@")
    file(CONFIGURE OUTPUT ${folder}/changelog @ONLY CONTENT
"daub (@PROJECT_VERSION@) unstable; urgency=medium

  * Release @PROJECT_VERSION@.

 -- @DAUB_DEB_MAINTAINER@  ${date}
")
    find_program(GZIP gzip REQUIRED)
    execute_process(COMMAND ${GZIP} -9nkf ${folder}/changelog COMMAND_ERROR_IS_FATAL ANY)
    foreach(pair runtime:libdaub${PROJECT_VERSION_MAJOR} data:daub-data tool:daub dev:libdaub-dev)
        string(REGEX MATCH "^([a-z]+):(.*)$" pair ${pair})
        install(FILES ${folder}/copyright ${folder}/changelog.gz
                DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/${CMAKE_MATCH_2} COMPONENT ${CMAKE_MATCH_1})
    endforeach()
    install(FILES models/default/LICENCES.md DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/daub-data COMPONENT data)
endif()

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME daub)
set(CPACK_PACKAGE_VENDOR "the daub developers")
set(CPACK_PACKAGING_INSTALL_PREFIX ${CMAKE_INSTALL_PREFIX})
set(CPACK_COMPONENTS_ALL runtime data tool dev)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_MAINTAINER ${DAUB_DEB_MAINTAINER})
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
# cpack indents all but the first line, and puts a point into empty ones.
set(about "daub draws pictures from text with latent diffusion models, on any GPU with
a Vulkan 1.1 driver, and on the processor with Mesa's lavapipe. It reads
Stable Diffusion checkpoints as they are; a small model comes with it.

This package holds ")

set(CPACK_DEBIAN_RUNTIME_PACKAGE_NAME libdaub${PROJECT_VERSION_MAJOR})
set(CPACK_DEBIAN_RUNTIME_PACKAGE_SECTION libs)
set(CPACK_DEBIAN_RUNTIME_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS ON)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS_POLICY ">=")
file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/deb/triggers CONTENT "activate-noawait ldconfig\n")
set(CPACK_DEBIAN_RUNTIME_PACKAGE_CONTROL_EXTRA ${PROJECT_BINARY_DIR}/deb/triggers)
set(CPACK_DEBIAN_RUNTIME_PACKAGE_DEPENDS libvulkan1) # opened while it runs, so that no tool sees it
set(CPACK_DEBIAN_RUNTIME_PACKAGE_RECOMMENDS "daub-data (>= ${PROJECT_VERSION}), mesa-vulkan-drivers | vulkan-icd")

set(CPACK_DEBIAN_DATA_PACKAGE_NAME daub-data)
set(CPACK_DEBIAN_DATA_PACKAGE_SECTION graphics)
set(CPACK_DEBIAN_DATA_PACKAGE_ARCHITECTURE all)

set(CPACK_DEBIAN_TOOL_PACKAGE_NAME daub)
set(CPACK_DEBIAN_TOOL_PACKAGE_SECTION graphics)
set(CPACK_DEBIAN_TOOL_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_TOOL_PACKAGE_DEPENDS "libvulkan1, daub-data (>= ${PROJECT_VERSION})")
set(CPACK_DEBIAN_TOOL_PACKAGE_RECOMMENDS "mesa-vulkan-drivers | vulkan-icd")

set(CPACK_DEBIAN_DEV_PACKAGE_NAME libdaub-dev)
set(CPACK_DEBIAN_DEV_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_DEV_PACKAGE_DEPENDS
    "libdaub${PROJECT_VERSION_MAJOR} (= ${PROJECT_VERSION}), libcjson-dev, libutf8proc-dev")

foreach(pair "RUNTIME:shared library:the shared library." "DATA:model:the model." "TOOL::the command daub."
        "DEV:development files:headers, the\nstatic library, and files for pkg-config and CMake.")
    string(REGEX MATCH "^([A-Z]+):([^:]*):(.*)$" pair "${pair}")
    set(summary "text-to-image diffusion on any Vulkan GPU")
    if(CMAKE_MATCH_2)
        string(APPEND summary " - ${CMAKE_MATCH_2}")
    endif()
    set(CPACK_DEBIAN_${CMAKE_MATCH_1}_DESCRIPTION "${summary}\n${about}${CMAKE_MATCH_3}")
endforeach()
# Other configurations would give packages in /usr/local: no CPackConfig.cmake, and cpack says that it is missing.
if(DAUB_DEB)
    include(CPack)
endif()
