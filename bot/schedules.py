"""What is to happen again and again, by cron: each slot once, whatever the clocks do and however many replicas there are."""

from __future__ import annotations

from datetime import UTC, datetime

import sqlalchemy as sa
from cronsim import CronSim

from bot.database import Database
from bot.tables import SCHEDULES


class Schedules:
    """The schedules of a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def set(self, name: str, cron: str, now: datetime) -> None:
        """Have ``name`` fire by a cron expression (UTC); one that is known with the same expression goes on as it is."""
        values = {"cron": cron, "next_at": _next(cron, now)}
        insert = self._database.insert(SCHEDULES).values(name=name, **values)
        changed = insert.on_conflict_do_update(index_elements=["name"], set_=values, where=SCHEDULES.c.cron != cron)
        with self._database.transaction() as connection:
            connection.execute(changed)

    def remove(self, name: str) -> None:
        with self._database.transaction() as connection:
            connection.execute(SCHEDULES.delete().where(SCHEDULES.c.name == name))

    def fire(self, now: datetime) -> list[str]:
        """Return the names whose slot has come, each advanced past ``now`` in the same transaction.

        Slots that were missed while nobody looked are one firing together. A clock that goes back fires nothing again.
        """
        due = SCHEDULES.c.next_at <= now.timestamp()
        with self._database.transaction() as connection:
            found = connection.execute(sa.select(SCHEDULES).where(due).with_for_update(skip_locked=True)).all()
            for row in found:
                advanced = SCHEDULES.update().where(SCHEDULES.c.name == row.name)
                connection.execute(advanced.values(next_at=_next(row.cron, now)))
            return sorted(row.name for row in found)

    def next_at(self) -> datetime | None:
        """Return when the next one fires, if there is any."""
        with self._database.transaction() as connection:
            first = connection.execute(sa.select(sa.func.min(SCHEDULES.c.next_at))).scalar_one()
        return None if first is None else datetime.fromtimestamp(first, UTC)


def _next(cron: str, now: datetime) -> float:
    return float(next(CronSim(cron, now)).timestamp())
