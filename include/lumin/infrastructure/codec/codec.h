// SPDX-License-Identifier: MIT
// Bytes and their meaning: the codec port's filler, and what replies and rows are made of.
#pragma once

#include "lumin/application/ports.h"
#include "lumin/user/v1/types.pb-c.h"

struct codec; // owned by one thread

struct codec *codec_create(size_t payload_limit); // bytes a payload may have; NULL without memory
void codec_destroy(struct codec *codec);

// The port over it; the codec must outlive it.
struct codec_port codec_port(struct codec *codec);

// Unpacks within the arena, at most `payload_limit` bytes in and 16 times that out; refuses ill-formed wire format, bad
// UTF-8 and NUL bytes in text, naming the field. Unknown fields are dropped. JSON (README, "JSON") has names in
// lowerCamelCase or as in the proto; unknown and repeated names, wrong types and numbers out of range are refused with
// the field's path and what it may hold.
LUMIN_MUST_USE enum lumin_status codec_decode(struct codec *codec, const struct encoded *encoded, struct arena *arena,
                                              const ProtobufCMessage **ret_message, struct refusal *ret_refusal);

// As codec_decode, for what a service has answered in protobuf: any number of fields.
LUMIN_MUST_USE enum lumin_status codec_decode_answer(struct codec *codec, const ProtobufCMessageDescriptor *type,
                                                     struct span bytes, struct arena *arena,
                                                     const ProtobufCMessage **ret_message);

// Any message as a line of ProtoJSON in the arena, with its fields' defaults shown; codec_decode takes it.
LUMIN_MUST_USE enum lumin_status codec_encode_json(const ProtobufCMessage *message, struct arena *arena,
                                                   struct span *ret_text);
// The bytes of a message of that type, as that.
LUMIN_MUST_USE enum lumin_status codec_convert_json(const ProtobufCMessageDescriptor *type, struct span bytes,
                                                    struct arena *arena, struct span *ret_text);

// Any message's bytes, in the arena.
LUMIN_MUST_USE enum lumin_status codec_pack(const ProtobufCMessage *message, struct arena *arena,
                                            struct span *ret_bytes);

// Replies. A refusal's texts are copied only as far as the bytes are.
LUMIN_MUST_USE enum lumin_status codec_encode_outcome(const struct outcome *outcome, struct arena *arena,
                                                      struct span *ret_bytes);
LUMIN_MUST_USE enum lumin_status codec_encode_user(const struct user *user, struct arena *arena,
                                                   struct span *ret_bytes);
// What codec_encode_user made, as far as user_restore gives it back.
LUMIN_MUST_USE enum lumin_status codec_decode_user(struct span bytes, struct arena *arena, struct user *ret_user);
LUMIN_MUST_USE enum lumin_status codec_encode_refusal(const struct refusal *refusal, struct arena *arena,
                                                      struct span *ret_bytes);
// What codec_encode_refusal made.
LUMIN_MUST_USE enum lumin_status codec_decode_refusal(struct span bytes, struct arena *arena,
                                                      struct refusal *ret_refusal);

// An event's body, as stored and published.
LUMIN_MUST_USE enum lumin_status codec_encode_event(const struct event *event, struct arena *arena,
                                                    struct span *ret_body);
// ... and back; version and time are not in the body. INTERNAL where the bytes are no event of that type.
LUMIN_MUST_USE enum lumin_status codec_decode_event(enum event_type type, struct span body, struct arena *arena,
                                                    struct event *ret_event);
// ... with the message itself, whose texts the event's are.
LUMIN_MUST_USE enum lumin_status codec_read_event(enum event_type type, struct span body, struct arena *arena,
                                                  const ProtobufCMessage **ret_message, struct event *ret_event);
