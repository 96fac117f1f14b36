// SPDX-License-Identifier: MIT
// The methods, as a table: what the engine needs to know of each but its decision.
#pragma once

#include <protobuf-c/protobuf-c.h>

#include "lumin/application/decision.h"

struct query_handler; // query.h

enum method_kind { METHOD_COMMAND, METHOD_QUERY };
enum user_rule { USER_NAMED, USER_NEW, USER_UNUSED };

enum method_id {
#define COMMAND(name, Request, user, summary) METHOD_##name,
#define QUERY(name, Request, Reply, summary) METHOD_##name,
#include "lumin/application/catalog.def"
#undef COMMAND
#undef QUERY
  METHOD_COUNT
};

struct method {
  enum method_id id;
  const char *name; // "change_email": the token in the subject
  size_t name_len;
  enum method_kind kind;
  const ProtobufCMessageDescriptor *request;
  const ProtobufCMessageDescriptor *reply;
  enum user_rule user;               // commands
  command_handler decide;            // commands
  const struct query_handler *query; // queries
  const char *summary;
};

extern const struct method methods[METHOD_COUNT];

// NULL where there is no such method.
const struct method *method_find(struct span name);
