// SPDX-License-Identifier: MIT
// Users in one block of memory each, found by id, thrown out by age of use. Keeps guarantee 11: within its bytes.
#include "lumin/application/memory.h"

#include <stdlib.h>

struct remembered {
  struct remembered *newer, *older; // by use; the memory's own ends are `newest` and `oldest`
  uint16_t partition;
  size_t bytes;
  struct user user; // its spans point behind this struct
};

struct memory {
  struct uuid_map *by_id;
  struct remembered *newest, *oldest;
  size_t bytes, limit;
};

static void remembered_unlink(struct memory *memory, struct remembered *entry);
static void remembered_link(struct memory *memory, struct remembered *entry);
static void remembered_drop(struct memory *memory, struct remembered *entry);
static struct remembered *remembered_create(uint16_t partition, const struct user *user);

struct memory *memory_create(size_t limit) {
  struct memory *memory = calloc(1, sizeof *memory);
  if (memory == NULL) {
    return NULL;
  }
  memory->limit = limit;
  memory->by_id = uuid_map_create();
  if (memory->by_id == NULL) {
    free(memory);
    return NULL;
  }
  return memory;
}

void memory_destroy(struct memory *memory) {
  if (memory != NULL) {
    memory_clear(memory);
    uuid_map_destroy(memory->by_id);
    free(memory);
  }
}

const struct user *memory_get(struct memory *memory, const struct uuid *user_id) {
  struct remembered *entry = uuid_map_get(memory->by_id, user_id);
  if (entry == NULL) {
    return NULL;
  }
  if (entry != memory->newest) {
    remembered_unlink(memory, entry);
    remembered_link(memory, entry);
  }
  return &entry->user;
}

void memory_put(struct memory *memory, uint16_t partition, const struct user *user) {
  struct remembered *entry = remembered_create(partition, user); // a copy first: `user` may be what is replaced
  struct remembered *old = uuid_map_get(memory->by_id, &user->id);
  if (old != NULL) {
    remembered_drop(memory, old);
  }
  if (entry == NULL || uuid_map_put(memory->by_id, &entry->user.id, entry, NULL) != LUMIN_OK) {
    free(entry);
    return;
  }
  remembered_link(memory, entry);
  memory->bytes += entry->bytes;
}

void memory_trim(struct memory *memory) {
  while (memory->bytes > memory->limit && memory->oldest != NULL) {
    remembered_drop(memory, memory->oldest);
  }
}

void memory_forget_partition(struct memory *memory, uint16_t partition) {
  for (struct remembered *entry = memory->oldest; entry != NULL;) {
    struct remembered *newer = entry->newer;
    if (entry->partition == partition) {
      remembered_drop(memory, entry);
    }
    entry = newer;
  }
}

void memory_clear(struct memory *memory) {
  while (memory->oldest != NULL) {
    remembered_drop(memory, memory->oldest);
  }
}

size_t memory_bytes(const struct memory *memory) { return memory->bytes; }

static void remembered_unlink(struct memory *memory, struct remembered *entry) {
  *(entry->newer != NULL ? &entry->newer->older : &memory->newest) = entry->older;
  *(entry->older != NULL ? &entry->older->newer : &memory->oldest) = entry->newer;
}

static void remembered_link(struct memory *memory, struct remembered *entry) {
  entry->newer = NULL;
  entry->older = memory->newest;
  *(memory->newest != NULL ? &memory->newest->newer : &memory->oldest) = entry;
  memory->newest = entry;
}

static void remembered_drop(struct memory *memory, struct remembered *entry) {
  remembered_unlink(memory, entry);
  (void)uuid_map_remove(memory->by_id, &entry->user.id);
  memory->bytes -= entry->bytes;
  free(entry);
}

// A field of struct user that is a text belongs here.
enum { USER_TEXTS = 10 };

static void user_texts(struct user *user, struct span *ret_texts[USER_TEXTS]) {
  ret_texts[0] = &user->first_name;
  ret_texts[1] = &user->last_name;
  ret_texts[2] = &user->email.text;
  ret_texts[3] = &user->email.key;
  ret_texts[4] = &user->phone;
  ret_texts[5] = &user->profile.language_code;
  ret_texts[6] = &user->profile.bio;
  ret_texts[7] = &user->profile.birth_date;
  ret_texts[8] = &user->profile.avatar_url;
  ret_texts[9] = &user->block_reason;
}

size_t user_texts_len(const struct user *user) {
  struct user copy = *user;
  struct span *texts[USER_TEXTS];
  user_texts(&copy, texts);
  size_t len = 0;
  for (size_t i = 0; i < USER_TEXTS; i++) {
    len += texts[i]->len;
  }
  return len;
}

void user_texts_move(struct user *user, char *room) {
  struct span *texts[USER_TEXTS];
  user_texts(user, texts);
  for (size_t i = 0; i < USER_TEXTS; i++) {
    if (texts[i]->len > 0) {
      memcpy(room, texts[i]->data, texts[i]->len);
    }
    texts[i]->data = room;
    room += texts[i]->len;
  }
}

static struct remembered *remembered_create(uint16_t partition, const struct user *user) {
  size_t text = user_texts_len(user);
  // What malloc and the table cost on top is counted too, or the limit would mean less than it says.
  size_t bytes = sizeof(struct remembered) + text + 64;
  struct remembered *entry = malloc(sizeof *entry + text);
  if (entry == NULL) {
    return NULL;
  }
  *entry = (struct remembered){.partition = partition, .bytes = bytes, .user = *user};
  user_texts_move(&entry->user, (char *)(entry + 1));
  return entry;
}
