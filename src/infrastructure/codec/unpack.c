// SPDX-License-Identifier: MIT
// An allocator for protobuf-c that knows why it had to refuse: a message must not be called bad because its batch's
// companions have filled the arena (guarantee 10).
#include "unpack.h"

struct budget {
  struct arena *arena;
  size_t left;
  bool arena_full;
};

static void *budget_alloc(void *self, size_t size) {
  struct budget *budget = self;
  if (size > budget->left) {
    return NULL;
  }
  budget->left -= size;
  void *bytes = arena_alloc(budget->arena, size);
  budget->arena_full = budget->arena_full || bytes == NULL;
  return bytes;
}

static void budget_free(void *self, void *pointer) {
  (void)self; // the arena frees
  (void)pointer;
}

enum lumin_status message_unpack(const ProtobufCMessageDescriptor *type, struct span bytes, size_t budget_bytes,
                                 struct arena *arena, ProtobufCMessage **ret_message) {
  struct budget budget = {.arena = arena, .left = budget_bytes};
  ProtobufCAllocator allocator = {budget_alloc, budget_free, &budget};
  ProtobufCMessage *message =
      protobuf_c_message_unpack(type, &allocator, bytes.len, (const uint8_t *)(bytes.data ? bytes.data : ""));
  if (message == NULL) {
    return budget.arena_full ? LUMIN_NO_MEMORY : LUMIN_INVALID_ARGUMENT;
  }
  *ret_message = message;
  return LUMIN_OK;
}
