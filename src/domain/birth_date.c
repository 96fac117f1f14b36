// SPDX-License-Identifier: MIT
// Birth dates. Calendar days without a time zone; "not in the future" is judged by the command's own time in UTC, so
// that a replay judges alike.
#include "lumin/domain/values.h"
#include "text.h"

#define DATE_LEN 10
#define NS_PER_DAY INT64_C(86400000000000)

static const char allowed[] = "a day as yyyy-mm-dd, from 1900-01-01 to today (UTC); empty clears";

struct date {
  int year, month, day;
};

static bool date_read(struct span input, struct date *ret_date);
static int days_in_month(struct date date);
static struct date date_of_time(int64_t time_ns);
static int date_compare(struct date a, struct date b);

enum lumin_status birth_date_parse(struct span input, const struct birth_date_rule *rule, struct arena *arena,
                                   struct span *ret_date, struct refusal *ret_refusal) {
  struct date date = {0};
  const char *fault = text_fault(input);
  if (!fault && !date_read(input, &date))
    fault = "the birth date is not of the form yyyy-mm-dd";
  if (!fault && (date.month < 1 || date.month > 12 || date.day < 1 || date.day > days_in_month(date)))
    fault = "the birth date is a day that the calendar does not have";
  if (!fault && date.year < 1900)
    fault = "the birth date is before 1900-01-01";
  if (!fault && date_compare(date, date_of_time(rule->now_ns)) > 0)
    fault = "the birth date is in the future";
  if (fault)
    return refuse_field(ret_refusal, rule->field, allowed, fault);
  struct span copy = arena_copy(arena, input);
  if (!copy.data)
    return LUMIN_NO_MEMORY;
  *ret_date = copy;
  return LUMIN_OK;
}

static bool date_read(struct span input, struct date *ret_date) {
  if (input.len != DATE_LEN)
    return false;
  int numbers[3] = {0};
  size_t part = 0;
  for (size_t i = 0; i < DATE_LEN; i++) {
    char c = input.data[i];
    bool dash = i == 4 || i == 7;
    if (dash ? c != '-' : !ascii_is_digit(c))
      return false;
    if (dash)
      part++;
    else
      numbers[part] = 10 * numbers[part] + (c - '0');
  }
  *ret_date = (struct date){numbers[0], numbers[1], numbers[2]};
  return true;
}

static int days_in_month(struct date date) {
  static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  bool leap = (date.year % 4 == 0 && date.year % 100 != 0) || date.year % 400 == 0;
  return date.month == 2 && leap ? 29 : days[date.month - 1];
}

// The years counted from March, so that the leap day is the last; eras of 400 years have 146,097 days.
static struct date date_of_time(int64_t time_ns) {
  int64_t days = time_ns / NS_PER_DAY - (time_ns % NS_PER_DAY < 0) + 719468; // since 0000-03-01
  int64_t era = (days >= 0 ? days : days - 146096) / 146097;
  int64_t day_of_era = days - era * 146097;
  int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
  int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  int64_t month = (5 * day_of_year + 2) / 153; // 0: March
  struct date date = {.year = (int)(year_of_era + era * 400),
                      .month = (int)(month < 10 ? month + 3 : month - 9),
                      .day = (int)(day_of_year - (153 * month + 2) / 5 + 1)};
  date.year += date.month <= 2;
  return date;
}

static int date_compare(struct date a, struct date b) {
  if (a.year != b.year)
    return a.year - b.year;
  return a.month != b.month ? a.month - b.month : a.day - b.day;
}
