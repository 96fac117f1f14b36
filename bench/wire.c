// SPDX-License-Identifier: MIT
// One socket, poll(2), and a parser for INFO, MSG, HMSG, PING and -ERR.
#include "wire.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define IN_SIZE ((size_t)4 << 20)

struct wire {
  int fd;
  char *in;
  size_t in_begin, in_end;
  char *out;
  size_t out_begin, out_end, out_room;
  bool failed;
};

static int socket_connect(const char *url);
static void wire_put(struct wire *wire, const void *bytes, size_t len);
static bool wire_take(struct wire *wire, wire_handler handler, void *self);

static void wire_fail(struct wire *wire, const char *what, struct span detail) {
  if (!wire->failed) {
    (void)fprintf(stderr, "bench: NATS: %s%.*s\n", what, SPAN_ARGS(detail));
  }
  wire->failed = true;
}

struct wire *wire_open(const struct wire_login *login) {
  struct wire *wire = calloc(1, sizeof *wire);
  if (wire == NULL) {
    return NULL;
  }
  wire->fd = socket_connect(login->url);
  wire->in = malloc(IN_SIZE);
  if (wire->fd < 0 || wire->in == NULL) {
    (void)fprintf(stderr, "bench: cannot connect to %s\n", login->url);
    wire_close(wire);
    return NULL;
  }
  char connect[512];
  int len = snprintf(connect, sizeof connect,
                     "CONNECT {\"verbose\":false,\"pedantic\":false,\"headers\":true,\"no_responders\":true,"
                     "\"protocol\":1,\"lang\":\"c\",\"version\":\"0\",\"name\":\"bench\",\"user\":\"%s\","
                     "\"pass\":\"%s\"}\r\nPING\r\n",
                     login->user, login->password);
  wire_put(wire, connect, (size_t)len);
  return wire;
}

void wire_close(struct wire *wire) {
  if (wire != NULL) {
    if (wire->fd >= 0) {
      close(wire->fd);
    }
    free(wire->in);
    free(wire->out);
    free(wire);
  }
}

static int socket_connect(const char *url) {
  char host[128] = "", port[8] = "4222";
  int fd = -1;
  struct addrinfo *found = NULL, wanted = {.ai_socktype = SOCK_STREAM};
  if (sscanf(url, "nats://%127[^:]:%7[0-9]", host, port) < 1 || getaddrinfo(host, port, &wanted, &found) != 0) {
    return -1;
  }
  for (struct addrinfo *at = found; at != NULL && fd < 0; at = at->ai_next) {
    fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, at->ai_addr, at->ai_addrlen) != 0) {
      close(fd);
      fd = -1;
    }
  }
  freeaddrinfo(found);
  int one = 1;
  if (fd >= 0) {
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  }
  return fd;
}

// ---- out

static void wire_put(struct wire *wire, const void *bytes, size_t len) {
  if (wire->out_end + len > wire->out_room) {
    size_t room = 2 * wire->out_room + len + 65536;
    char *grown = realloc(wire->out, room);
    if (grown == NULL) {
      wire_fail(wire, "no memory", SPAN_EMPTY);
      return;
    }
    wire->out = grown;
    wire->out_room = room;
  }
  memcpy(wire->out + wire->out_end, bytes, len);
  wire->out_end += len;
}

void wire_subscribe(struct wire *wire, struct span subject) {
  wire_put(wire, "SUB ", 4);
  wire_put(wire, subject.data, subject.len);
  wire_put(wire, " 1\r\n", 4);
}

static void put_number(struct wire *wire, size_t number) {
  char digits[24];
  size_t at = sizeof digits;
  do {
    digits[--at] = (char)('0' + number % 10);
  } while ((number /= 10) > 0);
  wire_put(wire, digits + at, sizeof digits - at);
}

void wire_publish(struct wire *wire, struct span subject, struct span reply, struct span headers, struct span payload) {
  wire_put(wire, headers.len > 0 ? "HPUB " : "PUB ", headers.len > 0 ? 5 : 4);
  wire_put(wire, subject.data, subject.len);
  wire_put(wire, " ", 1);
  wire_put(wire, reply.data, reply.len);
  wire_put(wire, " ", 1);
  if (headers.len > 0) {
    put_number(wire, headers.len);
    wire_put(wire, " ", 1);
  }
  put_number(wire, headers.len + payload.len);
  wire_put(wire, "\r\n", 2);
  if (headers.len > 0) {
    wire_put(wire, headers.data, headers.len);
  }
  wire_put(wire, payload.data, payload.len);
  wire_put(wire, "\r\n", 2);
}

static void wire_flush(struct wire *wire) {
  while (wire->out_begin < wire->out_end) {
    ssize_t sent =
        send(wire->fd, wire->out + wire->out_begin, wire->out_end - wire->out_begin, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && (errno == EAGAIN || errno == EINTR)) {
      return;
    }
    if (sent <= 0) {
      wire_fail(wire, "the connection is lost", SPAN_EMPTY);
      return;
    }
    wire->out_begin += (size_t)sent;
  }
  wire->out_begin = wire->out_end = 0;
}

// ---- in

bool wire_turn(struct wire *wire, int timeout_ms, wire_handler handler, void *self) {
  wire_flush(wire);
  struct pollfd wanted = {.fd = wire->fd, .events = POLLIN};
  if (wire->out_begin < wire->out_end) {
    wanted.events |= POLLOUT;
  }
  if (wire->failed || poll(&wanted, 1, timeout_ms) <= 0 || (wanted.revents & ~POLLOUT) == 0) {
    return !wire->failed;
  }
  ssize_t got = recv(wire->fd, wire->in + wire->in_end, IN_SIZE - wire->in_end, MSG_DONTWAIT);
  if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) {
    wire_fail(wire, "the server closed the connection", SPAN_EMPTY);
    return false;
  }
  wire->in_end += got > 0 ? (size_t)got : 0;
  while (wire_take(wire, handler, self)) {
  }
  memmove(wire->in, wire->in + wire->in_begin, wire->in_end - wire->in_begin);
  wire->in_end -= wire->in_begin;
  wire->in_begin = 0;
  return !wire->failed;
}

// "MSG <subject> <sid> [reply] <bytes>", "HMSG <subject> <sid> [reply] <header bytes> <all bytes>": its last number
// counts what follows the line. False where it is not all here yet.
static bool take_message(struct wire *wire, struct span line, bool headed, wire_handler handler, void *self) {
  struct span subject = span_cut(&line, ' ');
  struct span tokens[4];
  size_t count = 0;
  uint64_t header_len = 0, len = 0;
  while (line.len > 0 && count < 4) {
    tokens[count++] = span_cut(&line, ' ');
  }
  bool sound = count >= (headed ? 3U : 2U) && span_to_u64(tokens[count - 1], &len) &&
               (!headed || span_to_u64(tokens[count - 2], &header_len)) && header_len <= len && len < IN_SIZE / 2;
  if (!sound) {
    wire_fail(wire, "unreadable message on ", subject);
    return false;
  }
  size_t begin = (size_t)(tokens[count - 1].data + tokens[count - 1].len + 2 - wire->in); // behind the line's CR LF
  if (begin + len + 2 > wire->in_end) {
    return false;
  }
  struct wire_message message = {subject, span_of(wire->in + begin, header_len),
                                 span_of(wire->in + begin + header_len, len - header_len)};
  handler(self, &message);
  wire->in_begin = begin + len + 2;
  return true;
}

// One operation; false where none is whole.
static bool wire_take(struct wire *wire, wire_handler handler, void *self) {
  char *begin = wire->in + wire->in_begin;
  char *end = memchr(begin, '\n', wire->in_end - wire->in_begin);
  if (end == NULL || end == begin) {
    return false;
  }
  struct span line = span_of(begin, (size_t)(end - begin) - 1);
  if (span_starts_with(line, SPAN_LITERAL("MSG "))) {
    return take_message(wire, span_skip(line, 4), false, handler, self);
  }
  if (span_starts_with(line, SPAN_LITERAL("HMSG "))) {
    return take_message(wire, span_skip(line, 5), true, handler, self);
  }
  if (span_starts_with(line, SPAN_LITERAL("PING"))) {
    wire_put(wire, "PONG\r\n", 6);
  } else if (span_starts_with(line, SPAN_LITERAL("-ERR"))) {
    wire_fail(wire, "the server says ", line);
  }
  wire->in_begin = (size_t)(end - wire->in) + 1;
  return !wire->failed;
}
