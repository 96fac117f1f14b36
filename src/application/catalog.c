// SPDX-License-Identifier: MIT
// The dispatch table, expanded from catalog.def.
#include "lumin/application/catalog.h"

#include "lumin/application/query.h"
#include "lumin/user/v1/commands.pb-c.h"
#include "lumin/user/v1/queries.pb-c.h"
#include "lumin/user/v1/types.pb-c.h"

// protobuf-c names a descriptor by its message in snake case, which for a request is the method's own name.
#define DESCRIPTOR(snake) (&lumin__user__v1__##snake##__descriptor)
#define REPLY_User DESCRIPTOR(user)
#define REPLY_Users DESCRIPTOR(users)
#define REPLY_Profile DESCRIPTOR(profile)
#define REPLY_History DESCRIPTOR(history)
#define REPLY_UserPage DESCRIPTOR(user_page)
#define REPLY_ProfileViews DESCRIPTOR(profile_views)
#define REPLY_Outcome DESCRIPTOR(outcome)

const struct method methods[METHOD_COUNT] = {
#define COMMAND(snake, Request, rule, text)                                                                            \
  [METHOD_##snake] = {.id = METHOD_##snake,                                                                            \
                      .name = #snake,                                                                                  \
                      .name_len = sizeof #snake - 1,                                                                   \
                      .kind = METHOD_COMMAND,                                                                          \
                      .request = DESCRIPTOR(snake),                                                                    \
                      .reply = REPLY_Outcome,                                                                          \
                      .user = (rule),                                                                                  \
                      .decide = command_##snake,                                                                       \
                      .summary = (text)},
#define QUERY(snake, Request, Reply, text)                                                                             \
  [METHOD_##snake] = {.id = METHOD_##snake,                                                                            \
                      .name = #snake,                                                                                  \
                      .name_len = sizeof #snake - 1,                                                                   \
                      .kind = METHOD_QUERY,                                                                            \
                      .request = DESCRIPTOR(snake),                                                                    \
                      .reply = REPLY_##Reply,                                                                          \
                      .query = &query_##snake,                                                                         \
                      .summary = (text)},
#include "lumin/application/catalog.def"
#undef COMMAND
#undef QUERY
};

const struct method *method_find(struct span name) {
  for (size_t i = 0; i < METHOD_COUNT; i++) {
    if (span_equal(name, span_of(methods[i].name, methods[i].name_len))) {
      return &methods[i];
    }
  }
  return NULL;
}
