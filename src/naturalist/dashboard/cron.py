"""When a cron expression is due next."""

import datetime as dt

from naturalist.schedule import CRON_PRESETS

_FIELDS = 5


def next_run(expression: str, now: dt.datetime) -> dt.datetime | None:
    """The first time after `now`, in its time zone; None where the expression is not understood.

    Clocks that change in summer and winter are taken into account as Debian's cron does. Also None
    where `cronsim` is not installed: pages exported without the extra `dashboard` name no next run.
    """
    try:
        from cronsim import CronSim, CronSimError
    except ImportError:
        return None
    fields = CRON_PRESETS.get(expression.strip(), expression)
    if len(fields.split()) != _FIELDS:
        # It also reads six fields, of which the first are seconds; Airflow's schedules have five.
        return None
    try:
        return next(CronSim(fields, now), None)
    except CronSimError:
        return None
