// SPDX-License-Identifier: MIT
#include "lumin/application/memory.h"
#include "lumin/infrastructure/postgres/users_table.h"
#include "rebuild_internal.h"

static const struct user *user_keep(const struct user *user, struct arena *arena) {
  struct user *kept = arena_alloc(arena, sizeof *kept);
  char *texts = arena_alloc(arena, user_texts_len(user));
  if (kept == NULL || texts == NULL) {
    return NULL;
  }
  *kept = *user;
  user_texts_move(kept, texts);
  return kept;
}

enum lumin_status writer_add(struct writer *writer, const struct user *user) {
  if (writer->database == NULL) {
    return LUMIN_OK;
  }
  writer->users[writer->count] = user_keep(user, writer->arena);
  if (writer->users[writer->count] == NULL) {
    return LUMIN_NO_MEMORY;
  }
  writer->count++;
  return writer->count < WRITE_ROWS ? LUMIN_OK : writer_flush(writer);
}

enum lumin_status writer_flush(struct writer *writer) {
  enum lumin_status status = LUMIN_OK;
  if (writer->count > 0) {
    status = users_insert(writer->database, "lumin.users_rebuilt", writer->users, writer->count, writer->arena);
    writer->count = 0;
    arena_reset(writer->arena);
  }
  return status;
}
