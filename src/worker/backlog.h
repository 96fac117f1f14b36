// SPDX-License-Identifier: MIT
// Whether a batch waits for more of what the stream holds. Without a backlog it never does: what has come is taken.
//
// While a backlog is worked off, a lane that owns a small part of the partitions finds a few messages of its own among
// all that have come, and a transaction costs much the same for a few as for many. So the few wait for those behind
// them: while the stream holds a batch more at least, for a window of messages, whoever's they are, and for a moment.
// The last command of the backlog is none the later for it, since they are read meanwhile. Pure.
#pragma once

#include "lumin/base/span.h"

struct backlog_limits {
  uint64_t least;  // messages behind the last one that make a backlog
  uint64_t window; // messages read that a batch waits for, at most
  int64_t patience_ns;
};

struct backlog {
  struct backlog_limits limits;
  uint64_t pending; // what the stream held behind the last message that came
  uint64_t passed;  // messages that have come since a batch waits
  int64_t since_ns; // since when it does; 0: none does
  bool is_mistaken; // the stream was said to hold more, and nothing came
};

void backlog_init(struct backlog *backlog, const struct backlog_limits *limits);
void backlog_begin(struct backlog *backlog); // a new consumer, which counts anew
void backlog_message(struct backlog *backlog, uint64_t pending);
void backlog_end(struct backlog *backlog); // the stream holds no more

// Whether a batch shall wait that is not full yet.
bool backlog_holds(struct backlog *backlog, int64_t now_ns);
// Until when at most it waits; INT64_MAX where none does.
int64_t backlog_deadline_ns(const struct backlog *backlog);
// It was taken.
void backlog_release(struct backlog *backlog);
