// SPDX-License-Identifier: MIT
// Subjects of requests and of their replies.
#include "../../../src/worker/door_parse.h"

#include <criterion/criterion.h>

static const struct span prefix = {"lumin.user.v1", 13};
static const struct span inbox = {"_INBOX_lumin_worker", 19};

static bool parse(const char *subject, struct rpc_subject *ret) {
  return rpc_subject_parse(prefix, span_from_text(subject), ret);
}

static bool is(struct span span, const char *text) { return span_equal(span, span_from_text(text)); }

Test(rpc_subject, method_and_suffix) {
  struct rpc_subject subject;
  cr_assert(parse("lumin.user.v1.rpc.get", &subject));
  cr_assert(is(subject.method, "get") && !subject.has_suffix);
  cr_assert(parse("lumin.user.v1.rpc.get.7", &subject));
  cr_assert(is(subject.method, "get") && subject.has_suffix && is(subject.suffix, "7"));
  cr_assert(parse("lumin.user.v1.rpc.get.7.8", &subject));
  cr_assert(is(subject.suffix, "7.8"));
}

Test(rpc_subject, an_empty_suffix_is_one) {
  struct rpc_subject subject;
  cr_assert(parse("lumin.user.v1.rpc.get.", &subject));
  cr_assert(subject.has_suffix && subject.suffix.len == 0);
  cr_assert(parse("lumin.user.v1.rpc..7", &subject));
  cr_assert(subject.method.len == 0 && is(subject.suffix, "7"));
  cr_assert(parse("lumin.user.v1.rpc.", &subject));
  cr_assert(subject.method.len == 0 && !subject.has_suffix);
}

Test(rpc_subject, others_are_none) {
  static const char *const others[] = {"",
                                       "lumin",
                                       "lumin.user.v1",
                                       "lumin.user.v1.rpc",
                                       "lumin.user.v1.rpcs.get",
                                       "lumin.user.v11.rpc.get",
                                       "xlumin.user.v1.rpc.get",
                                       "lumin.user.v1.command.get"};
  for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
    struct rpc_subject subject = {.suffix = {"untouched", 9}};
    cr_assert(!parse(others[i], &subject), "%s", others[i]);
    cr_assert(is(subject.suffix, "untouched"));
  }
}

static bool allowed(const char *reply) { return reply_is_allowed(prefix, inbox, span_from_text(reply)); }

Test(reply, callers_inboxes) {
  static const char *const fine[] = {"_INBOX.x.1",
                                     "_INBOX_lumin_gateway.x",
                                     "_INBOX_lumin_workers.x",
                                     "lumin.user.v1.reply.orders.1",
                                     "lumin.user.v10.x",
                                     "lumin.user",
                                     "a",
                                     "a.b*.c",
                                     "a.>b",
                                     "\xc3\xa4.b"};
  for (size_t i = 0; i < sizeof fine / sizeof fine[0]; i++) {
    cr_assert(allowed(fine[i]), "%s", fine[i]);
  }
}

Test(reply, what_the_worker_must_not_publish_for_others) {
  static const char *const bad[] = {"$JS.API.STREAM.DELETE.X",
                                    "$SRV.PING",
                                    "$",
                                    "lumin.user.v1",
                                    "lumin.user.v1.command.delete.7",
                                    "lumin.user.v1.command.3.delete.7",
                                    "lumin.user.v1.door.x.o.y",
                                    "lumin.user.v1.outcome.7",
                                    "lumin.user.v1.event.user_created.7",
                                    "lumin.user.v1.reply",
                                    "lumin.user.v1.reply.",
                                    "lumin.user.v1.replys.x",
                                    "lumin.user.v1.rpc.get",
                                    "_INBOX_lumin_worker",
                                    "_INBOX_lumin_worker.x.y"};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    cr_assert(!allowed(bad[i]), "%s", bad[i]);
  }
}

Test(reply, what_is_no_literal_subject) {
  static const char *const bad[] = {"",    ".",   "a.",   ".a",   "a..b", "a.*",  "*",      ">",
                                    "a.>", "a b", "a\tb", "a\rb", "a\nb", "\x7f", "a\x01.b"};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    cr_assert(!allowed(bad[i]), "%zu", i);
  }
  cr_assert(!reply_is_allowed(prefix, inbox, span_of("a\0b", 3)));
  cr_assert(!reply_is_allowed(prefix, inbox, SPAN_EMPTY));
}
