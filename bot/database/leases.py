"""Which replica works on what, if several replicas of the App share one database.

A replica stores a heartbeat every few seconds, and while it does, what it has leased is its alone. When its heartbeats stop,
or when its process is gone from this machine, any other replica may take its work over. A replica that cannot store its
heartbeats stops before that (``Worker``), so no two ever work on the same thing.

Leases follow the machine's real clock, even where tests give runs another one. The replicas' machines must therefore agree
on the time to within seconds.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
import uuid
from collections.abc import Collection
from datetime import datetime
from functools import cache
from pathlib import Path

import sqlalchemy as sa

from bot.database.engine import Database
from bot.database.tables import INBOX, LEASES, REPLICAS, RUNS
from bot.runs.machine import END

HEARTBEAT_INTERVAL = 5.0
"""Seconds between a replica's heartbeats."""
LEASE_TIMEOUT = 20.0
"""Seconds without a heartbeat after which a replica counts as dead, and must have stopped by itself."""

INBOX_WORK = "inbox"
"""What a lease on a repository's deliveries is called: they are handled in order, so one replica leases them all. Any other
lease is called by a run's id."""
MAX_DELIVERIES = 1_000


class LeaseLostError(Exception):
    """No heartbeat could be stored in time, so that other replicas may have taken this one's work over."""


class Leases:
    """One replica's leases.

    Parameters
    ----------
    database
        The database that the replicas share.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self.replica = uuid.uuid4().hex

    # --- heartbeats --------------------------------------------------------------------------------------------------

    def heartbeat(self) -> None:
        """Store this replica's heartbeat; remove the replicas that are dead, with their leases."""
        me = {"host": host(), "process": os.getpid(), "beat": time.time()}
        with self._database.transaction() as connection:
            insert = self._database.insert(REPLICAS).values(id=self.replica, **me)
            connection.execute(insert.on_conflict_do_update(index_elements=["id"], set_=me))
            others = connection.execute(sa.select(REPLICAS).where(REPLICAS.c.id != self.replica)).all()
            dead = [
                row.id for row in others if row.beat < time.time() - LEASE_TIMEOUT or _is_gone(row.host, row.process)
            ]
            if dead:
                connection.execute(LEASES.delete().where(LEASES.c.replica.in_(dead)))
                connection.execute(REPLICAS.delete().where(REPLICAS.c.id.in_(dead)))

    def leave(self) -> None:
        """Release everything, because this replica stops: others can go on immediately."""
        with self._database.transaction() as connection:
            connection.execute(LEASES.delete().where(LEASES.c.replica == self.replica))
            connection.execute(REPLICAS.delete().where(REPLICAS.c.id == self.replica))

    # --- work --------------------------------------------------------------------------------------------------------

    def take_inboxes(self, now: datetime, busy: Collection[str], limit: int) -> dict[str, list[str]]:
        """Lease the inboxes with deliveries that are due; return those deliveries' ids by repository, the oldest first.

        Parameters
        ----------
        now
            The time by which they must be due.
        busy
            The repositories whose deliveries this replica is already handling.
        limit
            The largest number of repositories to take.
        """
        query = (
            sa.select(INBOX.c.repository, INBOX.c.id)
            .where(INBOX.c.status == "new", INBOX.c.due <= now.timestamp(), self._free(INBOX.c.repository, INBOX_WORK))
            .order_by(INBOX.c.number)
            .limit(MAX_DELIVERIES)
        )
        due: dict[str, list[str]] = {}
        if limit <= 0:
            return due
        with self._database.transaction() as connection:
            for repository, delivery in connection.execute(query):
                if repository not in busy and (repository in due or len(due) < limit):
                    due.setdefault(repository, []).append(delivery)
            return {
                repository: deliveries
                for repository, deliveries in due.items()
                if self._lease(connection, repository, INBOX_WORK)
            }

    def take_runs(self, now: datetime, busy: Collection[tuple[str, str]], limit: int) -> list[tuple[str, str]]:
        """Lease the open runs that are due or were woken, the longest due first; return their (repository, id).

        Their wake-ups are cleared here, before anyone reads the runs. A wake-up that arrives later therefore has them looked
        at again, so no event is lost between reading a run and storing its next state.
        """
        if limit <= 0:
            return []
        query = (
            sa.select(RUNS.c.repository, RUNS.c.id)
            .where(RUNS.c.state != END, (RUNS.c.due <= now.timestamp()) | RUNS.c.poked)
            .where(self._free(RUNS.c.repository, RUNS.c.id))
            .order_by(RUNS.c.due)
            .limit(limit + len(busy))
            # On PostgreSQL, rows that another replica is taking at this moment are skipped instead of waited for.
            .with_for_update(skip_locked=True)
        )
        with self._database.transaction() as connection:
            due = [(row.repository, row.id) for row in connection.execute(query)]
            wanted = [key for key in due if key not in busy][:limit]
            taken = [key for key in wanted if self._lease(connection, *key)]
            for repository, run in taken:
                is_run = (RUNS.c.repository == repository) & (RUNS.c.id == run)
                connection.execute(RUNS.update().where(is_run).values(poked=False))
            return taken

    def take(self, work: str) -> bool:
        """Lease work that concerns no repository and that one replica at a time must do; return False if another has it."""
        with self._database.transaction() as connection:
            return self._lease(connection, "", work)

    def release(self, repository: str, work: str) -> None:
        """Release a lease."""
        is_own = (LEASES.c.repository == repository) & (LEASES.c.work == work) & (LEASES.c.replica == self.replica)
        with self._database.transaction() as connection:
            connection.execute(LEASES.delete().where(is_own))

    def _live_others(self) -> sa.Select[tuple[str]]:
        alive = REPLICAS.c.beat >= time.time() - LEASE_TIMEOUT
        return sa.select(REPLICAS.c.id).where(alive, REPLICAS.c.id != self.replica)

    def _free(self, repository: sa.Column[str], work: sa.Column[str] | str) -> sa.ColumnElement[bool]:
        """No other live replica has leased it. This replica's own leases do not count: it knows what it is working on."""
        leased = (
            (LEASES.c.repository == repository) & (LEASES.c.work == work) & LEASES.c.replica.in_(self._live_others())
        )
        return ~sa.exists().where(leased)

    def _lease(self, connection: sa.Connection, repository: str, work: str) -> bool:
        insert = self._database.insert(LEASES).values(repository=repository, work=work, replica=self.replica)
        taken = insert.on_conflict_do_update(
            index_elements=["repository", "work"],
            set_={"replica": self.replica},
            where=LEASES.c.replica.not_in(self._live_others()),
        )
        return bool(connection.execute(taken).rowcount == 1)


# --- this machine ------------------------------------------------------------------------------------------------------


@cache
def host() -> str:
    """Return what identifies this machine or container until it restarts.

    Process ids mean something only within it, so replicas elsewhere can be declared dead by their heartbeats alone.
    """
    known = [socket.gethostname()]
    with contextlib.suppress(OSError):  # Linux only
        known.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip())
        known.append(str(Path("/proc/self/ns/pid").readlink()))
    return " ".join(known)


def _is_gone(replica_host: str, process: int) -> bool:
    """Tell whether a replica's process is certainly dead: it was on this machine and is no longer there."""
    if replica_host != host() or process == os.getpid():
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
