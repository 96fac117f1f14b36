// SPDX-License-Identifier: MIT
// The service's answers on paper: a reply, an outcome, a refusal.
#pragma once

#include "lumin/infrastructure/codec/codec.h"
#include "text.h"

struct reply_reader {
  struct codec *codec;
  struct arena *arena;
  bool json;     // what is written to standard output
  bool terminal; // where a person sees it
};

// What a method answers; `code` and `text` are of the headers Nats-Service-Error-Code and Nats-Service-Error, empty
// where it is no refusal. Writes it down and returns how the program ends.
enum exit_code reply_write(const struct reply_reader *reader, const struct method *method, struct span code,
                           struct span text, struct span body);

// A message on standard output: JSON, or rows for a person.
enum exit_code message_write(const struct reply_reader *reader, const ProtobufCMessage *message);
