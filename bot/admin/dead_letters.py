"""``modelyard inbox``: list the deliveries that could not be handled, show one, or handle them again."""

from __future__ import annotations

import argparse
import json
import sys

from bot.clock import utc_now
from bot.database.inbox import InboxEntry
from bot.database.store import Store
from bot.settings import settings_or_exit


def run(parsed: argparse.Namespace) -> int:
    """Run the command; the exit code is 1 if a delivery does not exist."""
    store = Store(settings_or_exit().database_url)
    try:
        if parsed.show:
            return _show(store, parsed.show)
        if parsed.replay:
            return _replay(store, parsed.replay)
        return _list(store, waiting=parsed.waiting)
    finally:
        store.close()


def _list(store: Store, *, waiting: bool) -> int:
    found = store.inbox.entries(*(["dead", "new"] if waiting else ["dead"]))
    if not found:
        sys.stderr.write("No deliveries.\n" if waiting else "No dead letters.\n")
    sys.stdout.write("".join(_line(delivery) for delivery in found))
    return 0


def _line(kept: InboxEntry) -> str:
    what = f"{kept.event}.{kept.action}" if kept.action else kept.event
    error = " ".join((kept.error or "").split())[:200]
    return f"{kept.status}  {kept.id}  {kept.received:%Y-%m-%d %H:%M:%S}Z  {kept.repository}  {what}  tries {kept.tries}  {error}\n"


def _show(store: Store, delivery_id: str) -> int:
    found = store.inbox.find(delivery_id)
    if found is None:
        sys.stderr.write(
            f"The inbox has no delivery {delivery_id[:100]!r}; `modelyard inbox` lists the dead letters.\n"
        )
        return 1
    kept, payload = found
    shown = {
        "id": kept.id,
        "event": kept.event,
        "action": kept.action,
        "repository": kept.repository,
        "received": kept.received.isoformat(),
        "status": kept.status,
        "tries": kept.tries,
        "error": kept.error,
        "payload": json.loads(payload) if payload else None,
    }
    sys.stdout.write(json.dumps(shown, indent=2, ensure_ascii=False) + "\n")
    return 0


def _replay(store: Store, wanted: list[str]) -> int:
    ids = [kept.id for kept in store.inbox.entries("dead", limit=10_000)] if wanted == ["all"] else wanted
    revived = store.inbox.retry_dead(ids, utc_now())
    sys.stdout.write(f"{revived} of {len(ids)} will be handled again.\n")
    if revived < len(ids):
        sys.stderr.write("The others are not dead letters; `modelyard inbox` lists those.\n")
    return 0 if revived == len(ids) else 1
