# SPDX-License-Identifier: MIT
# lumin_schemas: the C types of the protos, and the SQL migrations compiled in.
find_program(PROTOC_C NAMES protoc-c protoc REQUIRED)
find_path(PROTOBUF_INCLUDE google/protobuf/timestamp.proto REQUIRED)

set(proto_root ${CMAKE_SOURCE_DIR}/schemas/proto)
set(generated ${CMAKE_BINARY_DIR}/schemas)
file(GLOB protos RELATIVE ${proto_root} CONFIGURE_DEPENDS ${proto_root}/lumin/user/v1/*.proto)
set(schema_sources)
foreach(proto ${protos} google/protobuf/timestamp.proto google/protobuf/field_mask.proto)
  string(REGEX REPLACE "\\.proto$" ".pb-c.c" source ${proto})
  set(from ${proto_root}/${proto})
  if(proto MATCHES "^google/")
    set(from ${PROTOBUF_INCLUDE}/${proto})
  endif()
  add_custom_command(
    OUTPUT ${generated}/${source}
    COMMAND ${CMAKE_COMMAND} -E make_directory ${generated}
    COMMAND ${PROTOC_C} --c_out=${generated} -I${proto_root} -I${PROTOBUF_INCLUDE} ${proto}
    DEPENDS ${from}
    VERBATIM)
  list(APPEND schema_sources ${generated}/${source})
endforeach()

file(GLOB migrations CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/schemas/sql/*.sql)
set(migrations_source ${generated}/migrations.c)
add_custom_command(
  OUTPUT ${migrations_source}
  COMMAND ${CMAKE_COMMAND} "-DFILES=${migrations}" -DOUTPUT=${migrations_source} -P
          ${CMAKE_SOURCE_DIR}/cmake/EmbedMigrations.cmake
  DEPENDS ${migrations} ${CMAKE_SOURCE_DIR}/cmake/EmbedMigrations.cmake
  VERBATIM)

add_library(lumin_schemas STATIC ${schema_sources} ${migrations_source})
target_include_directories(lumin_schemas SYSTEM PUBLIC ${generated})
target_include_directories(lumin_schemas PUBLIC ${CMAKE_SOURCE_DIR}/include)
target_link_libraries(lumin_schemas PUBLIC PkgConfig::PROTOBUF_C)
