"""Schedules by cron expression. Each slot fires once, whatever the clocks do and however many replicas there are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa
from cronsim import CronSim

from bot.database.engine import Database
from bot.database.tables import SCHEDULES


@dataclass(frozen=True)
class Slot:
    """A time at which a schedule must fire. If several were missed, the first of them."""

    name: str
    at: datetime


class Schedules:
    """The schedules of a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def set(self, name: str, cron: str, now: datetime) -> None:
        """Have ``name`` fire by a cron expression (UTC). If it has that expression already, its next slot stays as it is."""
        values = {"cron": cron, "next_at": _next(cron, now)}
        insert = self._database.insert(SCHEDULES).values(name=name, **values)
        changed = insert.on_conflict_do_update(index_elements=["name"], set_=values, where=SCHEDULES.c.cron != cron)
        with self._database.transaction() as connection:
            connection.execute(changed)

    def remove(self, name: str) -> None:
        with self._database.transaction() as connection:
            connection.execute(SCHEDULES.delete().where(SCHEDULES.c.name == name))

    def names(self, beginning: str = "") -> list[str]:
        """Return the names that begin with a text."""
        query = sa.select(SCHEDULES.c.name).where(SCHEDULES.c.name.startswith(beginning, autoescape=True))
        with self._database.transaction() as connection:
            return sorted(connection.execute(query).scalars())

    def fire(self, now: datetime, pass_on: Callable[[Slot], object] = lambda _: None) -> list[str]:
        """Pass on each slot that is due, then advance its schedule past ``now``; return the names that fired.

        Slots missed while the App was down fire together, once. A clock that goes back fires nothing again.

        A slot is passed on before its schedule advances, so that a crash in between loses nothing. It is then passed on
        again, as it is by another replica at the same moment, so the receiver must recognise it by name and time. Only one
        of the replicas returns the name.
        """
        due = sa.select(SCHEDULES).where(SCHEDULES.c.next_at <= now.timestamp()).order_by(SCHEDULES.c.name)
        with self._database.transaction() as connection:
            rows = connection.execute(due).all()
        fired = []
        for row in rows:
            pass_on(Slot(row.name, datetime.fromtimestamp(row.next_at, UTC)))
            is_unchanged = (SCHEDULES.c.name == row.name) & (SCHEDULES.c.next_at == row.next_at)
            with self._database.transaction() as connection:
                advanced = SCHEDULES.update().where(is_unchanged).values(next_at=_next(row.cron, now))
                if connection.execute(advanced).rowcount:
                    fired.append(row.name)
        return fired

    def next_at(self) -> datetime | None:
        """Return when the next schedule fires, if there is any."""
        with self._database.transaction() as connection:
            first = connection.execute(sa.select(sa.func.min(SCHEDULES.c.next_at))).scalar_one()
        return None if first is None else datetime.fromtimestamp(first, UTC)


def _next(cron: str, now: datetime) -> float:
    return float(next(CronSim(cron, now)).timestamp())
