"""When a cron expression is due next."""

import datetime as dt

_FIELDS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
_ALIASES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
}
_DAYS_AHEAD = 370


def next_run(expression: str, now: dt.datetime) -> dt.datetime | None:
    """The first time after `now`, in its time zone; None where the expression is not understood.

    Numbers, ``*``, lists, ranges and steps are understood. As in cron, a day fits if either the
    day of the month or the day of the week fits, where both are limited.
    """
    fields = _parse(_ALIASES.get(expression.strip(), expression))
    if fields is None:
        return None
    minutes, hours, days, months, weekdays = fields
    day = now.date()
    for _ in range(_DAYS_AHEAD):
        if day.month in months and _day_fits(day, days, weekdays):
            for hour in sorted(hours):
                for minute in sorted(minutes):
                    at = dt.datetime.combine(day, dt.time(hour, minute), now.tzinfo)
                    if at > now:
                        return at
        day += dt.timedelta(days=1)
    return None


def _day_fits(day: dt.date, days: set[int], weekdays: set[int]) -> bool:
    by_month, by_week = day.day in days, day.isoweekday() % 7 in weekdays
    limited = len(days) < 31 and len(weekdays) < 7
    return by_month or by_week if limited else by_month and by_week


def _parse(expression: str) -> tuple[set[int], ...] | None:
    words = expression.split()
    if len(words) != len(_FIELDS):
        return None
    try:
        found = [_field(w, low, high) for w, (low, high) in zip(words, _FIELDS, strict=True)]
    except ValueError:
        return None
    found[4] = {day % 7 for day in found[4]}
    return tuple(found)


def _field(word: str, low: int, high: int) -> set[int]:
    values: set[int] = set()
    for part in word.split(","):
        span, _, step = part.partition("/")
        first, _, last = span.partition("-")
        if span == "*":
            first, last = str(low), str(high)
        elif not last:
            last = str(high) if step else first
        chosen = range(int(first), int(last) + 1, int(step or 1))
        if not chosen or chosen[0] < low or chosen[-1] > high:
            raise ValueError(word)
        values.update(chosen)
    return values
