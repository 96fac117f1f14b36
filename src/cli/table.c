// SPDX-License-Identifier: MIT
// The cells are those of rows.h. What does not fit is left out whole, column by column, and said.
#include "table.h"

#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <utf8proc.h>

#include "rows.h"
#include "text.h"

#define GAP 2 // blanks between columns
#define COLUMNS_FIRST 16

struct column {
  struct span name;
  size_t width;
};

struct table {
  struct arena *arena;
  struct rows *lines; // by element
  size_t line_count;
  struct column *columns;
  size_t column_count, column_room;
};

const ProtobufCFieldDescriptor *table_field(const ProtobufCMessage *message) {
  for (unsigned i = 0; i < message->descriptor->n_fields; i++) {
    const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];
    bool list = field->label == PROTOBUF_C_LABEL_REPEATED && field->type == PROTOBUF_C_TYPE_MESSAGE;
    if (list && *(const size_t *)(const void *)((const char *)message + field->quantifier_offset) > 0) {
      return field;
    }
  }
  return NULL;
}

// A text as it is shown, escapes and all.
static struct span text_shown(struct span text, struct arena *arena) {
  char *written = NULL;
  size_t len = 0;
  FILE *out = open_memstream(&written, &len);
  if (out == NULL) {
    return SPAN_EMPTY;
  }
  text_write(out, text);
  struct span shown = fclose(out) == 0 ? arena_copy(arena, span_of(written, len)) : SPAN_EMPTY;
  free(written);
  return shown;
}

static size_t text_width(struct span text) {
  size_t width = 0;
  while (text.len > 0) {
    utf8proc_int32_t point = -1;
    utf8proc_ssize_t step = utf8proc_iterate((const utf8proc_uint8_t *)text.data, (utf8proc_ssize_t)text.len, &point);
    width += step > 0 ? (size_t)utf8proc_charwidth(point) : 1;
    text = span_skip(text, step > 0 ? (size_t)step : 1);
  }
  return width;
}

static struct column *column_find(const struct table *table, struct span name) {
  for (size_t i = 0; i < table->column_count; i++) {
    if (span_equal(table->columns[i].name, name)) {
      return &table->columns[i];
    }
  }
  return NULL;
}

static struct column *column_add(struct table *table, struct span name) {
  if (table->column_count == table->column_room) {
    struct column *columns = ARENA_ARRAY(table->arena, 2 * table->column_room, struct column);
    if (columns == NULL) {
      return NULL;
    }
    memcpy(columns, table->columns, table->column_count * sizeof *columns);
    table->columns = columns;
    table->column_room *= 2;
  }
  table->columns[table->column_count] = (struct column){name, text_width(name)};
  return &table->columns[table->column_count++];
}

static enum lumin_status line_take(struct table *table, struct rows *line, const ProtobufCMessage *message) {
  line->arena = table->arena;
  enum lumin_status status = rows_add_message(line, message);
  for (size_t i = 0; i < line->count && status == LUMIN_OK; i++) {
    struct row *row = &line->items[i];
    if (row->unset) {
      continue;
    }
    row->value = text_shown(row->value, table->arena);
    struct column *column = column_find(table, row->name);
    column = column != NULL ? column : column_add(table, row->name);
    if (row->value.data == NULL || column == NULL) {
      return LUMIN_NO_MEMORY;
    }
    size_t width = text_width(row->value);
    column->width = width > column->width ? width : column->width;
  }
  return status;
}

static void cell_write(FILE *out, struct span text, size_t width, bool last) {
  fwrite(text.data, 1, text.len, out);
  for (size_t at = text_width(text); !last && at < width + GAP; at++) {
    fputc(' ', out);
  }
}

static struct span cell_of(const struct rows *line, struct span name) {
  for (size_t i = 0; i < line->count; i++) {
    if (span_equal(line->items[i].name, name) && !line->items[i].unset) {
      return line->items[i].value;
    }
  }
  return SPAN_LITERAL("");
}

// How many of the columns fit; the first always does.
static size_t columns_fit(const struct table *table, size_t width) {
  size_t used = 0, count = 0;
  while (count < table->column_count) {
    used += table->columns[count].width;
    if (count > 0 && width > 0 && used > width) {
      break;
    }
    used += GAP;
    count++;
  }
  return count;
}

static void table_show(FILE *out, const struct table *table, size_t width) {
  size_t shown = columns_fit(table, width);
  for (size_t i = 0; i < shown; i++) {
    cell_write(out, table->columns[i].name, table->columns[i].width, i + 1 == shown);
  }
  fputc('\n', out);
  for (size_t l = 0; l < table->line_count; l++) {
    for (size_t i = 0; i < shown; i++) {
      cell_write(out, cell_of(&table->lines[l], table->columns[i].name), table->columns[i].width, i + 1 == shown);
    }
    fputc('\n', out);
  }
  if (shown < table->column_count) {
    fprintf(out, "(%zu more columns do not fit; --json has all)\n", table->column_count - shown);
  }
}

enum lumin_status table_write(FILE *out, const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field,
                              size_t width, struct arena *arena) {
  size_t count = *(const size_t *)(const void *)((const char *)message + field->quantifier_offset);
  const ProtobufCMessage *const *elements =
      *(const ProtobufCMessage *const *const *)(const void *)((const char *)message + field->offset);
  struct table table = {.arena = arena,
                        .lines = ARENA_ARRAY(arena, count, struct rows),
                        .line_count = count,
                        .columns = ARENA_ARRAY(arena, COLUMNS_FIRST, struct column),
                        .column_room = COLUMNS_FIRST};
  enum lumin_status status = table.lines != NULL && table.columns != NULL ? LUMIN_OK : LUMIN_NO_MEMORY;
  for (size_t i = 0; i < count && status == LUMIN_OK; i++) {
    status = line_take(&table, &table.lines[i], elements[i]);
  }
  if (status == LUMIN_OK) {
    table_show(out, &table, width);
  }
  return status;
}

size_t terminal_width(void) {
  struct winsize size = {0};
  return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}
