// SPDX-License-Identifier: MIT
// Name-based ids (RFC 9562, version 5). The name spaces are part of the contract: with others, a repeated command would
// be a new one.
#include "lumin/application/command_id.h"

static const struct uuid command_name_space = {
    {0x6b, 0x1f, 0x8d, 0x0e, 0x52, 0x2c, 0x4f, 0x0b, 0x9a, 0x63, 0x1c, 0x5e, 0xd7, 0x40, 0x88, 0x21}};
static const struct uuid user_name_space = {
    {0x2f, 0x9c, 0x61, 0xd4, 0x08, 0xb7, 0x4c, 0x35, 0xb1, 0x7e, 0x93, 0xa0, 0x5d, 0x26, 0xe8, 0x4f}};

enum lumin_status command_id_of_msg_id(struct span msg_id, struct uuid *ret_command_id) {
  return uuid_v5(&command_name_space, &msg_id, 1, ret_command_id);
}

enum lumin_status command_id_of_place(uint64_t seq, int64_t ts_ns, struct span subject, struct span payload,
                                      struct uuid *ret_command_id) {
  uint8_t place[16];
  for (size_t i = 0; i < 8; i++) {
    place[i] = (uint8_t)(seq >> (8 * (7 - i)));
    place[8 + i] = (uint8_t)((uint64_t)ts_ns >> (8 * (7 - i)));
  }
  const struct span parts[] = {span_of(place, sizeof place), subject, payload};
  return uuid_v5(&command_name_space, parts, 3, ret_command_id);
}

enum lumin_status command_user_id(const struct uuid *command_id, struct uuid *ret_user_id) {
  struct span name = span_of(command_id->bytes, sizeof command_id->bytes);
  return uuid_v5(&user_name_space, &name, 1, ret_user_id);
}
