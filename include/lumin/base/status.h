// SPDX-License-Identifier: MIT
// The one status type. A function that can fail returns it, must have its result used, and leaves its ret_ outputs
// untouched when it fails.
#pragma once

enum lumin_status {
#define STATUS(symbol, number, service_code, meaning, advice) LUMIN_##symbol = (number),
#include "lumin/base/status.def"
#undef STATUS
};

#define LUMIN_MUST_USE __attribute__((warn_unused_result))

// "EMAIL_TAKEN"; "UNKNOWN" for a number that is none.
const char *status_name(enum lumin_status status);

// The Nats-Service-Error-Code of a status: an HTTP-like integer; 500 for a number that is none.
int status_service_code(enum lumin_status status);

// What has happened, and what whoever gets it can do; empty for a number that is none, and the advice for a status that
// never leaves the process.
const char *status_meaning(enum lumin_status status);
const char *status_advice(enum lumin_status status);
