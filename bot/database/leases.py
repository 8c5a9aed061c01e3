"""Who works on what, where several replicas of the App share one database.

A replica says every few seconds that it lives. What it has leased is its alone for as long; when it has fallen silent, or
is seen to be dead because its process on the same machine is gone, any other takes its work over. Leases are about
processes, so they go by this machine's clock, whatever clock the runs go by: the replicas' machines have to agree within
seconds.
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
"""Seconds between a replica's signs of life."""
LEASE_TIMEOUT = 20.0
"""Seconds without one after which a replica counts as dead, and must have stopped by itself."""

INBOX_WORK = "inbox"
"""The work of a repository's deliveries, which are handled one after the other. Any other work is a run's id."""
MAX_DELIVERIES = 1_000


class Leases:
    """One replica's part in the work.

    Parameters
    ----------
    database
        The one that the replicas share.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self.replica = uuid.uuid4().hex

    # --- being there -------------------------------------------------------------------------------------------------

    def beat(self) -> None:
        """Say that this replica lives; forget those that do not, with their leases."""
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
        """Give everything back: this replica stops."""
        with self._database.transaction() as connection:
            connection.execute(LEASES.delete().where(LEASES.c.replica == self.replica))
            connection.execute(REPLICAS.delete().where(REPLICAS.c.id == self.replica))

    # --- taking work -------------------------------------------------------------------------------------------------

    def inboxes(self, now: datetime, busy: Collection[str], room: int) -> dict[str, list[str]]:
        """Lease the deliveries that are due; return their ids, the oldest first, by repository.

        Parameters
        ----------
        now
            What is due by then.
        busy
            The repositories whose deliveries this replica handles already.
        room
            How many repositories to take at most.
        """
        query = (
            sa.select(INBOX.c.repository, INBOX.c.id)
            .where(INBOX.c.status == "new", INBOX.c.due <= now.timestamp(), self._free(INBOX.c.repository, INBOX_WORK))
            .order_by(INBOX.c.number)
            .limit(MAX_DELIVERIES)
        )
        found: dict[str, list[str]] = {}
        if room <= 0:
            return found
        with self._database.transaction() as connection:
            for repository, delivery in connection.execute(query):
                if repository not in busy and (repository in found or len(found) < room):
                    found.setdefault(repository, []).append(delivery)
            return {
                repository: deliveries
                for repository, deliveries in found.items()
                if self._lease(connection, repository, INBOX_WORK)
            }

    def runs(self, now: datetime, busy: Collection[tuple[str, str]], room: int) -> list[tuple[str, str]]:
        """Lease the open runs that want to be looked at, the longest due first; return their (repository, id).

        What pokes one of them from now on is not seen yet, so it is looked at again.
        """
        if room <= 0:
            return []
        query = (
            sa.select(RUNS.c.repository, RUNS.c.id)
            .where(RUNS.c.state != END, (RUNS.c.due <= now.timestamp()) | RUNS.c.poked)
            .where(self._free(RUNS.c.repository, RUNS.c.id))
            .order_by(RUNS.c.due)
            .limit(room + len(busy))
            # PostgreSQL: what another replica is taking at this moment is passed over, not waited for.
            .with_for_update(skip_locked=True)
        )
        with self._database.transaction() as connection:
            due = [(row.repository, row.id) for row in connection.execute(query)]
            wanted = [key for key in due if key not in busy][:room]
            taken = [key for key in wanted if self._lease(connection, *key)]
            for repository, run in taken:
                this = (RUNS.c.repository == repository) & (RUNS.c.id == run)
                connection.execute(RUNS.update().where(this).values(poked=False))
            return taken

    def take(self, work: str) -> bool:
        """Lease work that is about no repository and that one replica at a time does; False where another has it."""
        with self._database.transaction() as connection:
            return self._lease(connection, "", work)

    def release(self, repository: str, work: str) -> None:
        """Give a lease back."""
        mine = (LEASES.c.repository == repository) & (LEASES.c.work == work) & (LEASES.c.replica == self.replica)
        with self._database.transaction() as connection:
            connection.execute(LEASES.delete().where(mine))

    def _others(self) -> sa.Select[tuple[str]]:
        alive = REPLICAS.c.beat >= time.time() - LEASE_TIMEOUT
        return sa.select(REPLICAS.c.id).where(alive, REPLICAS.c.id != self.replica)

    def _free(self, repository: sa.Column[str], work: sa.Column[str] | str) -> sa.ColumnElement[bool]:
        """Nobody else has leased it. That this replica has one of its own says nothing: it knows what it works on."""
        leased = (LEASES.c.repository == repository) & (LEASES.c.work == work) & LEASES.c.replica.in_(self._others())
        return ~sa.exists().where(leased)

    def _lease(self, connection: sa.Connection, repository: str, work: str) -> bool:
        insert = self._database.insert(LEASES).values(repository=repository, work=work, replica=self.replica)
        taken = insert.on_conflict_do_update(
            index_elements=["repository", "work"],
            set_={"replica": self.replica},
            where=LEASES.c.replica.not_in(self._others()),
        )
        return bool(connection.execute(taken).rowcount == 1)


# --- this machine ------------------------------------------------------------------------------------------------------


@cache
def host() -> str:
    """Return what tells this machine, or this container, from others, until it is started anew."""
    known = [socket.gethostname()]
    with contextlib.suppress(OSError):  # Linux only
        known.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip())
        known.append(str(Path("/proc/self/ns/pid").readlink()))
    return " ".join(known)


def _is_gone(its_host: str, process: int) -> bool:
    """Tell whether a replica's process is dead for certain: one of this machine that is not there."""
    if its_host != host() or process == os.getpid():
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
