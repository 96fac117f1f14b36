// SPDX-License-Identifier: MIT
// A whole request as JSON from the command line.
#pragma once

#include "reply.h"

// `data` is the JSON itself, or "@FILE" for a file's, "@-" for standard input's. Complains and returns EXIT_USAGE where
// it is no such message.
enum exit_code data_read(const struct reply_reader *reader, const ProtobufCMessageDescriptor *type, const char *data,
                         ProtobufCMessage **ret_message);
