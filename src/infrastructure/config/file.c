// SPDX-License-Identifier: MIT
// The file: YAML of two levels, sections and keys, read event by event. Whatever else YAML can do (lists, anchors,
// aliases, tags, several documents) is refused where it begins, so that no file costs more than its length.
// Keeps part of guarantee 11: memory is bounded by a limit, never by how much arrives.
#include <errno.h>
#include <stdlib.h>
#include <yaml.h>

#include "internal.h"

struct reader {
  yaml_parser_t parser;
  struct config *config;
  const char *file;
  struct span bytes;
  struct config_error *error;
  unsigned key_lines[CONFIG_KEY_COUNT];     // where a key stands; 0: not yet seen
  unsigned section_lines[CONFIG_KEY_COUNT]; // the same, at the section's first key
};

#define EVENT_SCOPED __attribute__((cleanup(yaml_event_delete)))

static enum lumin_status bytes_read(const char *path, bool optional, struct span *ret_bytes,
                                    struct config_error *error);
static enum lumin_status encoding_check(const struct reader *reader);
static enum lumin_status stream_read(struct reader *reader);
static enum lumin_status root_read(struct reader *reader, const yaml_event_t *root);
static enum lumin_status mapping_read(struct reader *reader, struct span section);
static enum lumin_status entry_read(struct reader *reader, struct span section, const yaml_event_t *name,
                                    const yaml_event_t *value);
static enum lumin_status section_read(struct reader *reader, const struct config_key *first, const yaml_event_t *value);
static enum lumin_status value_read(struct reader *reader, const struct config_key *key, const yaml_event_t *value);
static enum lumin_status event_next(struct reader *reader, yaml_event_t *ret_event);

enum lumin_status config_file_read(struct config *config, const char *path, bool optional, struct config_error *error) {
  struct span bytes = SPAN_EMPTY;
  enum lumin_status status = bytes_read(path, optional, &bytes, error);
  if (status != LUMIN_OK || !bytes.data)
    return status;
  struct reader reader = {.config = config, .bytes = bytes, .error = error};
  reader.file = arena_copy(config->texts, span_from_text(path)).data;
  if (!reader.file || !yaml_parser_initialize(&reader.parser)) {
    status = config_refuse_memory(error);
  } else {
    yaml_parser_set_input_string(&reader.parser, (const unsigned char *)bytes.data, bytes.len);
    status = encoding_check(&reader);
    if (status == LUMIN_OK)
      status = stream_read(&reader);
    yaml_parser_delete(&reader.parser);
  }
  free((void *)bytes.data);
  return status;
}

static enum lumin_status file_refuse(const char *path, const char *why, struct config_error *error) {
  (void)config_refuse(error, &(struct config_origin){.source = CONFIG_FILE, .name = path}, "%s", why);
  return LUMIN_IO;
}

// All of the file in memory of its own; data stays NULL for an optional file that is not there.
static enum lumin_status bytes_read(const char *path, bool optional, struct span *ret_bytes,
                                    struct config_error *error) {
  FILE *file = fopen(path, "rbe");
  if (!file && errno == ENOENT && optional)
    return LUMIN_OK;
  if (!file)
    return file_refuse(path, strerrordesc_np(errno), error);
  char *bytes = malloc(CONFIG_FILE_MAX + 1);
  size_t len = bytes ? fread(bytes, 1, CONFIG_FILE_MAX + 1, file) : 0;
  enum lumin_status status = LUMIN_OK;
  if (!bytes)
    status = config_refuse_memory(error);
  else if (ferror(file))
    status = file_refuse(path, strerrordesc_np(errno), error);
  else if (len > CONFIG_FILE_MAX)
    status = file_refuse(path, "larger than 1 MiB", error);
  (void)fclose(file); // only read
  if (status == LUMIN_OK)
    *ret_bytes = span_of(bytes, len);
  else
    free(bytes);
  return status;
}

static struct config_origin place(const struct reader *reader, size_t line) {
  return (struct config_origin){.source = CONFIG_FILE, .line = (unsigned)line, .name = reader->file};
}

static struct config_origin place_of(const struct reader *reader, const yaml_event_t *event) {
  return place(reader, event->start_mark.line + 1);
}

static struct config_origin place_of_offset(const struct reader *reader, size_t offset) {
  size_t line = 1;
  for (size_t i = 0; i < offset && i < reader->bytes.len; i++)
    line += reader->bytes.data[i] == '\n';
  return place(reader, line);
}

static enum lumin_status encoding_check(const struct reader *reader) {
  size_t valid = utf8_prefix(reader->bytes);
  if (valid == reader->bytes.len)
    return LUMIN_OK;
  struct config_origin origin = place_of_offset(reader, valid);
  return config_refuse(reader->error, &origin, "byte 0x%02x is not UTF-8", (unsigned char)reader->bytes.data[valid]);
}

// One document, or none.
static enum lumin_status stream_read(struct reader *reader) {
  bool seen = false;
  for (;;) {
    EVENT_SCOPED yaml_event_t event = {0};
    enum lumin_status status = event_next(reader, &event);
    if (status != LUMIN_OK || event.type == YAML_STREAM_END_EVENT)
      return status;
    struct config_origin origin = place_of(reader, &event);
    if (event.type == YAML_DOCUMENT_START_EVENT && seen)
      return config_refuse(reader->error, &origin, "more than one YAML document");
    if (event.type == YAML_DOCUMENT_START_EVENT)
      seen = true;
    else if (event.type != YAML_STREAM_START_EVENT && event.type != YAML_DOCUMENT_END_EVENT)
      status = root_read(reader, &event);
    if (status != LUMIN_OK)
      return status;
  }
}

// What YAML calls null: nothing at all, or a plain ~ or null.
static bool is_null(const yaml_event_t *event) {
  if (event->type != YAML_SCALAR_EVENT || event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
    return false;
  struct span text = span_of(event->data.scalar.value, event->data.scalar.length);
  return text.len == 0 || span_equal(text, SPAN_LITERAL("~")) || span_equal(text, SPAN_LITERAL("null"));
}

static enum lumin_status root_read(struct reader *reader, const yaml_event_t *root) {
  if (root->type == YAML_MAPPING_START_EVENT)
    return mapping_read(reader, SPAN_EMPTY);
  if (is_null(root))
    return LUMIN_OK;
  struct config_origin origin = place_of(reader, root);
  return config_refuse(reader->error, &origin, "found no sections and keys, but %s",
                       root->type == YAML_SEQUENCE_START_EVENT ? "a list" : "a single value");
}

// Calls itself once, through a section: sections hold no sections.
static enum lumin_status mapping_read(struct reader *reader, struct span section) {
  for (;;) {
    EVENT_SCOPED yaml_event_t name = {0};
    EVENT_SCOPED yaml_event_t value = {0};
    enum lumin_status status = event_next(reader, &name);
    if (status != LUMIN_OK || name.type == YAML_MAPPING_END_EVENT)
      return status;
    struct config_origin origin = place_of(reader, &name);
    if (name.type != YAML_SCALAR_EVENT)
      return config_refuse(reader->error, &origin, "a key must be a name, not a list or a mapping");
    status = event_next(reader, &value);
    if (status == LUMIN_OK)
      status = entry_read(reader, section, &name, &value);
    if (status != LUMIN_OK)
      return status;
  }
}

static enum lumin_status once_check(const struct reader *reader, const char *path, struct config_origin origin,
                                    unsigned *line) {
  if (*line > 0)
    return config_refuse(reader->error, &origin, "%s: given twice, first in line %u", path, *line);
  *line = origin.line;
  return LUMIN_OK;
}

// At the top a mapping was meant to be a section, anything else to be a key.
static enum lumin_status unknown_refuse(const struct reader *reader, struct span path, bool as_section,
                                        struct config_origin origin) {
  struct span nearest =
      as_section ? config_key_section(config_section_nearest(path)) : span_from_text(config_key_nearest(path)->path);
  return config_refuse_unknown(reader->error, &origin, as_section ? "section" : "key", path, nearest);
}

static enum lumin_status entry_read(struct reader *reader, struct span section, const yaml_event_t *name,
                                    const yaml_event_t *value) {
  char buffer[CONFIG_NAME_MAX] = "";
  struct text path = TEXT_IN(buffer);
  text_append(&path, section);
  text_append(&path, section.len > 0 ? SPAN_LITERAL(".") : SPAN_EMPTY);
  text_append(&path, span_of(name->data.scalar.value, name->data.scalar.length));
  struct span whole = span_of(path.data, path.len);

  struct config_origin origin = place_of(reader, name);
  const struct config_key *key = config_key_find(whole);
  const struct config_key *first = section.len == 0 ? config_section_find(whole) : NULL;
  if (!key && !first)
    return unknown_refuse(reader, whole, section.len == 0 && value->type == YAML_MAPPING_START_EVENT, origin);
  unsigned *line = key ? &reader->key_lines[config_key_number(key)] : &reader->section_lines[config_key_number(first)];
  enum lumin_status status = once_check(reader, path.data, origin, line);
  if (status != LUMIN_OK)
    return status;
  return key ? value_read(reader, key, value) : section_read(reader, first, value);
}

// A section with nothing in it is one whose keys are all commented out.
static enum lumin_status section_read(struct reader *reader, const struct config_key *first,
                                      const yaml_event_t *value) {
  struct span section = config_key_section(first);
  struct config_origin origin = place_of(reader, value);
  if (value->type == YAML_MAPPING_START_EVENT)
    return mapping_read(reader, section);
  if (is_null(value))
    return LUMIN_OK;
  return config_refuse(reader->error, &origin, "%.*s: found %s; allowed: a mapping of keys such as %s",
                       SPAN_ARGS(section), value->type == YAML_SEQUENCE_START_EVENT ? "a list" : "a single value",
                       first->path);
}

static enum lumin_status value_read(struct reader *reader, const struct config_key *key, const yaml_event_t *value) {
  struct config_origin origin = place_of(reader, value);
  if (value->type == YAML_SEQUENCE_START_EVENT)
    return config_refuse_kind(reader->error, &origin, key, "a list");
  if (value->type == YAML_MAPPING_START_EVENT)
    return config_refuse_kind(reader->error, &origin, key, "a mapping");
  if (is_null(value))
    return config_refuse_kind(reader->error, &origin, key, "no value");
  struct span text = span_of(value->data.scalar.value, value->data.scalar.length);
  return config_set(reader->config, key, text, &origin, reader->error);
}

static enum lumin_status parser_refuse(const struct reader *reader) {
  const yaml_parser_t *parser = &reader->parser;
  if (parser->error == YAML_MEMORY_ERROR)
    return config_refuse_memory(reader->error);
  struct config_origin origin = parser->error == YAML_READER_ERROR ? place_of_offset(reader, parser->problem_offset)
                                                                   : place(reader, parser->problem_mark.line + 1);
  return config_refuse(reader->error, &origin, "not YAML: %s%s%s", parser->context ? parser->context : "",
                       parser->context ? ": " : "", parser->problem ? parser->problem : "cannot be read");
}

static bool has_anchor(const yaml_event_t *event) {
  return event->type == YAML_ALIAS_EVENT || (event->type == YAML_SCALAR_EVENT && event->data.scalar.anchor) ||
         (event->type == YAML_SEQUENCE_START_EVENT && event->data.sequence_start.anchor) ||
         (event->type == YAML_MAPPING_START_EVENT && event->data.mapping_start.anchor);
}

static bool has_tag(const yaml_event_t *event) {
  return (event->type == YAML_SCALAR_EVENT && event->data.scalar.tag) ||
         (event->type == YAML_SEQUENCE_START_EVENT && event->data.sequence_start.tag) ||
         (event->type == YAML_MAPPING_START_EVENT && event->data.mapping_start.tag);
}

static enum lumin_status event_next(struct reader *reader, yaml_event_t *ret_event) {
  if (!yaml_parser_parse(&reader->parser, ret_event))
    return parser_refuse(reader);
  struct config_origin origin = place_of(reader, ret_event);
  if (has_anchor(ret_event))
    return config_refuse(reader->error, &origin, "anchors and aliases are not allowed");
  if (has_tag(ret_event))
    return config_refuse(reader->error, &origin, "tags are not allowed");
  return LUMIN_OK;
}
