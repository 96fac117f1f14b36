// SPDX-License-Identifier: MIT
// Clocks, and RFC 3339 both ways. The calendar is computed here: gmtime_r takes a lock of the whole process, and this
// runs for every event.
#include "lumin/base/clock.h"

#include <time.h>

enum { SECONDS_PER_DAY = 86400, DAYS_PER_ERA = 146097 }; // an era is the 400 years after which the calendar repeats

__extension__ typedef __int128 wide;

struct civil {
  int64_t year;
  unsigned month, day; // from 1
  unsigned hour, minute, second;
  unsigned nanoseconds;
  int offset_minutes; // east of UTC
};

static int64_t read_clock(clockid_t clock);
static struct civil civil_of_days(int64_t days);
static int64_t days_of_civil(const struct civil *civil);
static char *put_digits(char *at, size_t width, unsigned value, char behind);
static bool take_date(struct span *rest, struct civil *civil);
static bool take_time(struct span *rest, struct civil *civil);
static bool take_fraction(struct span *rest, unsigned *ret_nanoseconds);
static bool take_offset(struct span *rest, int *ret_minutes);
static bool take_digits(struct span *rest, size_t width, unsigned *ret_value);
static bool take_either(struct span *rest, char one, char other);

int64_t clock_monotonic_ns(void) { return read_clock(CLOCK_BOOTTIME); }

int64_t clock_wall_ns(void) { return read_clock(CLOCK_REALTIME); }

size_t clock_format_rfc3339(int64_t wall_ns, char ret_text[CLOCK_RFC3339_MAX]) {
  const int64_t day_ns = SECONDS_PER_DAY * NS_PER_SECOND;
  int64_t days = wall_ns / day_ns - (wall_ns % day_ns < 0);
  uint64_t in_day = (uint64_t)((wall_ns % day_ns + day_ns) % day_ns);
  unsigned second = (unsigned)(in_day / NS_PER_SECOND);
  struct civil date = civil_of_days(days);

  char *at = put_digits(ret_text, 4, (unsigned)date.year, '-');
  at = put_digits(at, 2, date.month, '-');
  at = put_digits(at, 2, date.day, 'T');
  at = put_digits(at, 2, second / 3600, ':');
  at = put_digits(at, 2, second / 60 % 60, ':');
  at = put_digits(at, 2, second % 60, '.');
  at = put_digits(at, 9, (unsigned)(in_day % NS_PER_SECOND), 'Z');
  *at = '\0';
  return (size_t)(at - ret_text);
}

enum lumin_status clock_parse_rfc3339(struct span text, int64_t *ret_wall_ns) {
  struct civil civil = {0};
  struct span rest = text;
  if (!take_date(&rest, &civil) || !take_either(&rest, 'T', 't') || !take_time(&rest, &civil) ||
      !take_offset(&rest, &civil.offset_minutes) || rest.len > 0)
    return LUMIN_INVALID_ARGUMENT;

  int64_t seconds = days_of_civil(&civil) * SECONDS_PER_DAY + civil.hour * 3600 + civil.minute * 60 + civil.second -
                    civil.offset_minutes * 60;
  // A leap second ends a UTC day. It counts as the second after it, there being no other number for it.
  if (civil.second == 60 && seconds % SECONDS_PER_DAY != 0)
    return LUMIN_INVALID_ARGUMENT;
  wide wall_ns = (wide)seconds * NS_PER_SECOND + civil.nanoseconds;
  if (wall_ns < INT64_MIN || wall_ns > INT64_MAX)
    return LUMIN_INVALID_ARGUMENT;
  *ret_wall_ns = (int64_t)wall_ns;
  return LUMIN_OK;
}

static int64_t read_clock(clockid_t clock) {
  struct timespec now = {0};
  clock_gettime(clock, &now); // cannot fail for these clocks and this address
  return now.tv_sec * NS_PER_SECOND + now.tv_nsec;
}

// Years are counted from March here, so that the leap day is the last of its year, and day 0 is 0000-03-01.
enum { EPOCH_DAY = 719468 };

static struct civil civil_of_days(int64_t days) {
  int64_t day = days + EPOCH_DAY; // positive for every year that 64 bits of nanoseconds hold
  int64_t era = day / DAYS_PER_ERA;
  int64_t in_era = day % DAYS_PER_ERA;
  int64_t year = (in_era - in_era / 1460 + in_era / 36524 - in_era / (DAYS_PER_ERA - 1)) / 365;
  int64_t in_year = in_era - (365 * year + year / 4 - year / 100);
  int64_t month = (5 * in_year + 2) / 153; // 0 is March; months of 31, 30, 31, 30, 31 days take 153 together
  return (struct civil){
      .year = era * 400 + year + (month >= 10),
      .month = (unsigned)(month < 10 ? month + 3 : month - 9),
      .day = (unsigned)(in_year - (153 * month + 2) / 5 + 1),
  };
}

static int64_t days_of_civil(const struct civil *civil) {
  int64_t year = civil->year + 400 - (civil->month <= 2); // an era more keeps January of the year 0 positive
  int64_t month = (civil->month + 9) % 12;
  int64_t in_year = (153 * month + 2) / 5 + civil->day - 1;
  return 365 * year + year / 4 - year / 100 + year / 400 + in_year - EPOCH_DAY - DAYS_PER_ERA;
}

static char *put_digits(char *at, size_t width, unsigned value, char behind) {
  for (size_t i = width; i > 0; i--) {
    at[i - 1] = (char)('0' + value % 10);
    value /= 10;
  }
  at[width] = behind;
  return at + width + 1;
}

static unsigned days_in_month(unsigned year, unsigned month) {
  static const unsigned char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
  return days[month - 1] + (month == 2 && leap ? 1u : 0u);
}

static bool take_date(struct span *rest, struct civil *civil) {
  unsigned year;
  if (!take_digits(rest, 4, &year) || !take_either(rest, '-', '-') || !take_digits(rest, 2, &civil->month) ||
      !take_either(rest, '-', '-') || !take_digits(rest, 2, &civil->day))
    return false;
  civil->year = year;
  return civil->month >= 1 && civil->month <= 12 && civil->day >= 1 && civil->day <= days_in_month(year, civil->month);
}

static bool take_time(struct span *rest, struct civil *civil) {
  return take_digits(rest, 2, &civil->hour) && take_either(rest, ':', ':') && take_digits(rest, 2, &civil->minute) &&
         take_either(rest, ':', ':') && take_digits(rest, 2, &civil->second) &&
         take_fraction(rest, &civil->nanoseconds) && civil->hour <= 23 && civil->minute <= 59 && civil->second <= 60;
}

static bool take_fraction(struct span *rest, unsigned *ret_nanoseconds) {
  if (!take_either(rest, '.', '.'))
    return true;
  unsigned value = 0, digit;
  size_t digits = 0;
  while (digits < 9 && take_digits(rest, 1, &digit)) {
    value = value * 10 + digit;
    digits++;
  }
  if (digits == 0)
    return false;
  for (; digits < 9; digits++)
    value *= 10;
  *ret_nanoseconds = value;
  return true;
}

static bool take_offset(struct span *rest, int *ret_minutes) {
  if (take_either(rest, 'Z', 'z'))
    return true;
  bool west = rest->len > 0 && rest->data[0] == '-';
  unsigned hours, minutes;
  if (!take_either(rest, '+', '-') || !take_digits(rest, 2, &hours) || !take_either(rest, ':', ':') ||
      !take_digits(rest, 2, &minutes) || hours > 23 || minutes > 59)
    return false;
  int total = (int)(hours * 60 + minutes);
  *ret_minutes = west ? -total : total;
  return true;
}

static bool take_digits(struct span *rest, size_t width, unsigned *ret_value) {
  uint64_t value;
  if (rest->len < width || !span_to_u64(span_of(rest->data, width), &value))
    return false;
  *rest = span_skip(*rest, width);
  *ret_value = (unsigned)value;
  return true;
}

static bool take_either(struct span *rest, char one, char other) {
  if (rest->len == 0 || (rest->data[0] != one && rest->data[0] != other))
    return false;
  *rest = span_skip(*rest, 1);
  return true;
}
