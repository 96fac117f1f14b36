// SPDX-License-Identifier: MIT
// A configuration file, and flags over it: what is refused is told in one line that nothing in the file can disguise;
// what is taken is printed as a file that means the same, in printable text, and without the passwords. The input is
// the file, and behind a NUL byte lines of key=value, which are the flags.
#include "fuzz.h"

#include <fcntl.h>
#include <sys/mman.h>

#include "lumin/infrastructure/config/config.h"
#include "terminal.h"

#define FLAGS_MAX 16
#define CANARY "c4n4ryc4n4ry"

// The path of a file in memory with these bytes.
static const char *file_of(struct span bytes, int *file, char path[64]) {
  if (*file < 0) {
    *file = memfd_create("config", MFD_CLOEXEC);
  }
  FUZZ_CHECK(*file >= 0 && ftruncate(*file, 0) == 0);
  FUZZ_CHECK(pwrite(*file, bytes.data, bytes.len, 0) == (ssize_t)bytes.len);
  snprintf(path, 64, "/proc/self/fd/%d", *file);
  return path;
}

static size_t flags_read(struct span rest, struct arena *arena, struct config_override *flags) {
  size_t count = 0;
  while (rest.len > 0 && count < FLAGS_MAX) {
    struct span line = span_cut(&rest, '\n');
    struct span path = span_cut(&line, '=');
    flags[count++] = (struct config_override){arena_copy(arena, path).data, arena_copy(arena, line).data};
  }
  return count;
}

static struct span print(const struct config *config, struct arena *arena) {
  char *text = NULL;
  size_t len = 0;
  FILE *out = open_memstream(&text, &len);
  FUZZ_CHECK(out != NULL && config_print(config, out) == LUMIN_OK && fclose(out) == 0);
  struct span copy = arena_copy(arena, span_of(text, len));
  free(text);
  terminal_check(copy);
  return copy;
}

static struct config *load(struct span bytes, const struct config_override *flags, size_t count, int *file) {
  char path[64];
  struct config *config = NULL;
  struct config_error error = {""};
  enum lumin_status status = config_load(file_of(bytes, file, path), flags, count, &config, &error);
  if (status != LUMIN_OK) {
    size_t len = strnlen(error.text, sizeof error.text);
    FUZZ_CHECK(status == LUMIN_INVALID_ARGUMENT && config == NULL && len > 0 && len < sizeof error.text);
    FUZZ_CHECK(memmem(error.text, len, CANARY, sizeof CANARY - 1) == NULL);
    FUZZ_CHECK(memchr(error.text, '\n', len) == NULL);
    terminal_check(span_of(error.text, len));
  }
  return config;
}

// Every value but those that are masked.
static void check_same(const struct config *one, const struct config *other) {
#define SAME_TEXT(field) FUZZ_CHECK(strcmp(one->field, other->field) == 0)
#define SAME_TOKENS SAME_TEXT
#define SAME_TOKEN SAME_TEXT
#define SAME_NUMBER(field) FUZZ_CHECK(one->field == other->field)
#define SAME_INTEGER SAME_NUMBER
#define SAME_DURATION SAME_NUMBER
#define SAME_SIZE SAME_NUMBER
#define SAME_STORAGE SAME_NUMBER
#define SAME_LOG_LEVEL SAME_NUMBER
#define SAME_NONE(type, field) SAME_##type(field);
#define SAME_ALL(type, field)
#define SAME_NATS_URL(type, field)
#define SAME_POSTGRES_URL(type, field)
#define CONFIG(path, field, type, initial, minimum, maximum, variable, mask, help) SAME_##mask(type, field)
#include "lumin/infrastructure/config/config.def"
#undef CONFIG
}

static bool has_own(const struct config *config, enum config_key_index key) {
  return config->origins[key].source == CONFIG_FLAG || config->origins[key].source == CONFIG_FILE;
}

// The password is one that must not show, wherever it stands.
static void check_canary(struct span bytes, const struct config_override *flags, size_t count, int *file) {
  struct config_override all[FLAGS_MAX + 1];
  memcpy(all, flags, count * sizeof *flags);
  all[count] = (struct config_override){"nats.password", CANARY};
  struct config *config = load(bytes, all, count + 1, file);
  if (config != NULL) {
    FUZZ_CHECK(has_own(config, CONFIG_KEY_nats_password));
    struct arena *arena = arena_create(1U << 20);
    FUZZ_CHECK(arena != NULL);
    struct span text = print(config, arena);
    FUZZ_CHECK(memmem(text.data, text.len, CANARY, sizeof CANARY - 1) == NULL);
    arena_destroy(arena);
    config_destroy(config);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static int file = -1;
  struct span rest = span_of(data, size), bytes = span_cut(&rest, '\0');
  struct config_override flags[FLAGS_MAX];
  struct arena *arena = fuzz_arena();
  (void)clearenv(); // of the configuration nothing may come from elsewhere
  if (size > 0 && memmem(data, size, CANARY, sizeof CANARY - 1) != NULL) {
    return -1;
  }
  size_t count = flags_read(rest, arena, flags);
  struct config *config = load(bytes, flags, count, &file);
  if (config != NULL) {
    struct span text = print(config, arena);
    struct config *again = load(text, NULL, 0, &file);
    FUZZ_CHECK(again != NULL);
    check_same(config, again);
    config_destroy(again);
    config_destroy(config);
    check_canary(bytes, flags, count, &file);
  }
  return 0;
}
