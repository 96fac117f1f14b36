// SPDX-License-Identifier: MIT
// Runs the fuzz targets without libFuzzer, over files.
//   fuzz_replay CORPUS          every target over CORPUS/<target>/*, each of which must have some
//   fuzz_replay TARGET FILE...  one target over these
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "fuzz.h"

typedef int fuzz_target(const uint8_t *data, size_t size);

#define TARGET(name) extern fuzz_target fuzz_##name;
#include "replay_targets.def"
#undef TARGET

static const struct target {
  const char *name;
  fuzz_target *run;
} targets[] = {
#define TARGET(name) {#name, fuzz_##name},
#include "replay_targets.def"
#undef TARGET
};

_Noreturn static void fail(const char *path, const char *why) {
  fprintf(stderr, "fuzz_replay: %s: %s\n", path, why);
  exit(1);
}

// Copied to memory of exactly its size, so that AddressSanitizer sees every byte read beyond it.
static void file_run(const struct target *target, const char *path) {
  FILE *file = fopen(path, "rbe");
  if (file == NULL) {
    fail(path, strerror(errno));
  }
  static uint8_t bytes[1U << 20];
  size_t len = fread(bytes, 1, sizeof bytes, file);
  if (ferror(file) || len == sizeof bytes) {
    fail(path, "cannot be read, or is too large");
  }
  fclose(file);
  uint8_t *copy = malloc(len > 0 ? len : 1);
  if (copy == NULL) {
    fail(path, "no memory");
  }
  memcpy(copy, bytes, len);
  printf("%s %s\n", target->name, path); // before: a sanitizer's report does not say which input it was
  (void)target->run(copy, len);
  free(copy);
}

static int is_visible(const struct dirent *entry) { return entry->d_name[0] != '.'; }

static void corpus_run(const struct target *target, const char *corpus) {
  char path[PATH_MAX];
  struct dirent **entries = NULL;
  snprintf(path, sizeof path, "%s/%s", corpus, target->name);
  int count = scandir(path, &entries, is_visible, alphasort);
  if (count <= 0) {
    fail(path, count < 0 ? strerror(errno) : "no input is here");
  }
  for (int i = 0; i < count; i++) {
    snprintf(path, sizeof path, "%s/%s/%s", corpus, target->name, entries[i]->d_name);
    file_run(target, path);
    free(entries[i]);
  }
  free(entries);
  printf("fuzz_replay: replayed %d inputs of %s\n", count, target->name);
}

int main(int argc, char **argv) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  if (argc < 2) {
    fail("usage", "fuzz_replay CORPUS, or fuzz_replay TARGET FILE...");
  }
  bool known = false;
  for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++) {
    if (argc == 2) {
      corpus_run(&targets[i], argv[1]);
    } else if (strcmp(targets[i].name, argv[1]) == 0) {
      known = true;
      for (int j = 2; j < argc; j++) {
        file_run(&targets[i], argv[j]);
      }
    }
  }
  if (argc > 2 && !known) {
    fail(argv[1], "there is no such target");
  }
  return 0;
}
