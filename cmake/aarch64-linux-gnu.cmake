# Toolchain: Debian's cross compiler for arm64, and its packages of that architecture, installed beside the host's (multiarch) or unpacked
# in the folder DAUB_SYSROOT (tools/cross-arm64 does that). Programs run under qemu's user emulation.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)
set(CMAKE_TRY_COMPILE_PLATFORM_VARIABLES DAUB_SYSROOT)

set(DAUB_SYSROOT "$ENV{DAUB_SYSROOT}" CACHE PATH "where arm64 packages are unpacked; empty: they are installed beside the host's")
set(libraries /usr/lib/aarch64-linux-gnu)
set(ENV{PKG_CONFIG_LIBDIR} ${DAUB_SYSROOT}/usr/lib/aarch64-linux-gnu/pkgconfig:${DAUB_SYSROOT}/usr/share/pkgconfig)
if(DAUB_SYSROOT)
    set(libraries ${DAUB_SYSROOT}/usr/lib/aarch64-linux-gnu)
    set(ENV{PKG_CONFIG_SYSROOT_DIR} ${DAUB_SYSROOT})
    list(PREPEND CMAKE_FIND_ROOT_PATH ${DAUB_SYSROOT})
endif()
# Headers of packages that have no code (volk, Vulkan's, stb) may be the host's.
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY BOTH)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE BOTH)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)

find_program(DAUB_QEMU NAMES qemu-aarch64 qemu-aarch64-static)
if(DAUB_QEMU)
    set(CMAKE_CROSSCOMPILING_EMULATOR ${DAUB_QEMU};-L;/usr/aarch64-linux-gnu;-E;LD_LIBRARY_PATH=${libraries})
endif()
