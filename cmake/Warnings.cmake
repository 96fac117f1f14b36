# SPDX-License-Identifier: MIT
# lumin_warnings: warnings as errors and the OpenSSF hardening flags, each probed, since compilers differ in them.
include(CheckCCompilerFlag)
include(CheckLinkerFlag)
add_library(lumin_warnings INTERFACE)

function(lumin_probe flag)
  string(MAKE_C_IDENTIFIER "HAVE${flag}" known)
  set(CMAKE_REQUIRED_FLAGS -Werror)
  check_c_compiler_flag(${flag} ${known})
  if(${known})
    target_compile_options(lumin_warnings INTERFACE ${flag})
  endif()
endfunction()

target_compile_options(lumin_warnings INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wformat=2 -Wconversion
  -Wimplicit-fallthrough -Wpointer-arith -Wwrite-strings -Werror)
foreach(flag
    -Wtrampolines -Wbidi-chars=any -Wduplicated-cond -Wlogical-op -Wnull-dereference
    -Werror=implicit -Werror=incompatible-pointer-types -Werror=int-conversion
    -fstack-clash-protection -fstack-protector-strong -fcf-protection=full -fstrict-flex-arrays=3
    -fno-delete-null-pointer-checks -fno-strict-overflow -fno-strict-aliasing -ftrivial-auto-var-init=zero
    -fno-common)
  # The one gives false alarms beside sanitizer checks, the other makes signed overflow a thing not to be checked.
  if(NOT (LUMIN_SANITIZE AND flag MATCHES "^(-Wnull-dereference|-fno-strict-overflow)$"))
    lumin_probe(${flag})
  endif()
endforeach()

if(LUMIN_SANITIZE)
  # Everything is built with the sanitizers, the generated code too.
  add_compile_options(-fsanitize=${LUMIN_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${LUMIN_SANITIZE})
  if(LUMIN_FUZZ)
    add_compile_options(-fsanitize=fuzzer-no-link) # its main comes with the targets' links
  endif()
elseif(NOT CMAKE_BUILD_TYPE STREQUAL "Debug")
  target_compile_options(lumin_warnings INTERFACE -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3)
endif()
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
foreach(flag -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack -Wl,--as-needed)
  string(MAKE_C_IDENTIFIER "HAVE${flag}" known)
  check_linker_flag(C ${flag} ${known})
  if(${known})
    add_link_options(${flag})
  endif()
endforeach()
target_link_options(lumin_warnings INTERFACE -pie)
target_compile_definitions(lumin_warnings INTERFACE _GNU_SOURCE LUMIN_VERSION="${PROJECT_VERSION}")
if(LUMIN_FAILPOINTS)
  target_compile_definitions(lumin_warnings INTERFACE LUMIN_FAILPOINTS)
endif()
