// SPDX-License-Identifier: MIT
// A raw block of headers, and what the headers hold: a header is found where a plain reader of lines finds it, and what
// is carried outward is printable and by its own grammar.
#include "fuzz.h"

#include "lumin/application/tokens.h"
#include "lumin/infrastructure/nats/js.h"

static struct span trimmed(struct span text) {
  while (text.len > 0 && (text.data[0] == ' ' || text.data[0] == '\t')) {
    text = span_skip(text, 1);
  }
  while (text.len > 0 && (text.data[text.len - 1] == ' ' || text.data[text.len - 1] == '\t')) {
    text.len--;
  }
  return text;
}

// Line by line, from the first to the empty one.
static bool header_find_plainly(struct span block, struct span name, struct span *ret_value) {
  size_t at = 0;
  if (block.len < 8 || memcmp(block.data, "NATS/1.0", 8) != 0) {
    return false;
  }
  for (bool first = true; at < block.len; first = false) {
    size_t end = at;
    while (end + 1 < block.len && !(block.data[end] == '\r' && block.data[end + 1] == '\n')) {
      end++;
    }
    if (end + 1 >= block.len || (!first && end == at)) {
      return false;
    }
    struct span line = span_of(block.data + at, end - at);
    if (!first && line.len > name.len && span_starts_with(line, name) && line.data[name.len] == ':') {
      *ret_value = trimmed(span_skip(line, name.len + 1));
      return true;
    }
    at = end + 2;
  }
  return false;
}

static struct span header(struct span block, const char *name) {
  struct span value = SPAN_EMPTY, plain = SPAN_EMPTY;
  bool found = js_header_find(block, span_from_text(name), &value);
  FUZZ_CHECK(found == header_find_plainly(block, span_from_text(name), &plain));
  FUZZ_CHECK(span_equal(value, plain));
  return value;
}

static void check_printable(struct span text) {
  for (size_t i = 0; i < text.len; i++) {
    FUZZ_CHECK(text.data[i] >= ' ' && text.data[i] <= '~');
  }
}

// W3C Trace Context: "00-", 32 digits, "-", 16 digits, "-", 2 digits; neither id all zeros.
static void check_trace(struct span parent, struct span state) {
  if (trace_parent_is_valid(parent)) {
    FUZZ_CHECK(parent.len == 55);
    check_printable(parent);
    FUZZ_CHECK(!span_equal(span_of(parent.data + 3, 32), SPAN_LITERAL("00000000000000000000000000000000")));
    FUZZ_CHECK(!span_equal(span_of(parent.data + 36, 16), SPAN_LITERAL("0000000000000000")));
  }
  if (trace_state_is_valid(state)) {
    FUZZ_CHECK(state.len > 0 && state.len <= 512);
    check_printable(state);
  }
}

static void check_media(struct span type, struct span accept) {
  bool json = false, other = true;
  bool chosen = media_choose(accept, true, &json);
  FUZZ_CHECK(chosen == media_choose(accept, false, &other));
  FUZZ_CHECK(chosen || (!json && other)); // untouched
  FUZZ_CHECK(!chosen || json >= other);
  FUZZ_CHECK(payload_is_json(SPAN_LITERAL("{"), type) && payload_is_json(SPAN_EMPTY, type) == media_is_json(type));
}

// The form is a number's own, but for zeros in front.
static void check_number(struct span text) {
  uint64_t number = 99;
  char again[24];
  if (!span_to_u64(text, &number)) {
    FUZZ_CHECK(number == 99);
    return;
  }
  int len = snprintf(again, sizeof again, "%llu", (unsigned long long)number);
  while (text.len > 1 && text.data[0] == '0') {
    text = span_skip(text, 1);
  }
  FUZZ_CHECK(span_equal(text, span_of(again, (size_t)len)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct span block = span_of(data, size);
  check_trace(header(block, "traceparent"), header(block, "tracestate"));
  check_media(header(block, "Content-Type"), header(block, "Accept"));
  check_number(header(block, "Lumin-Expected-Version"));
  struct span actor = header(block, "Lumin-Actor");
  if (actor_is_valid(actor)) {
    FUZZ_CHECK(actor.len <= 256);
    check_printable(actor);
  }
  return 0;
}
