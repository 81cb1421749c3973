"""The civil calendar in integers, the same in every language."""

import numpy as np

Integers = np.ndarray[tuple[int], np.dtype[np.int64]]
_DAYS_OF_ERA = 146_097  # 400 Gregorian years


def date_from_days(days: Integers) -> tuple[Integers, Integers, Integers]:
    """Give year, month and day of days counted from 1970-01-01.

    References:
        Hinnant, chrono-Compatible Low-Level Date Algorithms: years begin in March, so that the
        leap day is the last of the year.
    """
    shifted = days + 719_468
    era = shifted // _DAYS_OF_ERA
    of_era = shifted - era * _DAYS_OF_ERA
    leaps = of_era // 1460 - of_era // 36_524 + of_era // 146_096
    year_of_era = (of_era - leaps) // 365
    of_year = of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    from_march = (5 * of_year + 2) // 153
    day = of_year - (153 * from_march + 2) // 5 + 1
    month = np.where(from_march < 10, from_march + 3, from_march - 9)
    return year_of_era + era * 400 + (month <= 2), month, day


def days_from_date(year: Integers, month: Integers, day: Integers) -> Integers:
    """Give the days from 1970-01-01 to a date; the inverse of `date_from_days`."""
    year = year - (month <= 2)
    era = year // 400
    year_of_era = year - era * 400
    from_march = np.where(month > 2, month - 3, month + 9)
    of_year = (153 * from_march + 2) // 5 + day - 1
    of_era = year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + of_year
    days: Integers = era * _DAYS_OF_ERA + of_era - 719_468
    return days
