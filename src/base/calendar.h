#pragma once
// Seconds since 1970 as a day of the calendar, in UTC. Pure.

#include <cstdint>

namespace freehold::base {

struct Date {
  int64_t year = 1970;
  int64_t month = 1;  // 1 to 12
  int64_t day = 1;    // 1 to 31
};

/// The day of a time, proleptic Gregorian (Hinnant, "chrono-compatible date algorithms"); `seconds`
/// is not negative.
constexpr Date date_of(int64_t seconds) {
  const int64_t days = seconds / 86'400 + 719'468;
  const int64_t era = days / 146'097;
  const int64_t of_era = days - era * 146'097;
  const int64_t year = (of_era - of_era / 1460 + of_era / 36'524 - of_era / 146'096) / 365;
  const int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
  const int64_t month = (5 * of_year + 2) / 153;
  return {.year = year + era * 400 + (month >= 10 ? 1 : 0),
          .month = month < 10 ? month + 3 : month - 9,
          .day = of_year - (153 * month + 2) / 5 + 1};
}

}  // namespace freehold::base
