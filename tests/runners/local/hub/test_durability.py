"""A hub that is started again shows what it showed before."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from runners.local.hub.hub import Hub
from runners.local.hub.store import Record, Store
from tests.support.local_hub import example_repository, running_hub, webhook_receiver

DEMO = "/repos/owner/demo"


def test_a_restarted_hub_shows_the_same(tmp_path: Path) -> None:
    source = example_repository(tmp_path / "source")
    with running_hub(tmp_path / "hub", import_from=source) as first:
        client = first.person("writer")
        client.post(f"{DEMO}/issues", json={"title": "Stays", "labels": ["mlops:train"]})
        client.put(f"{DEMO}/contents/x", json={"message": "x", "content": ""})
        token, key, port = first.installation_token(), first.private_key, int(first.url.rpartition(":")[2])
        before = [client.get(f"{DEMO}{path}").json() for path in ("/issues", "/labels", "/commits", "")]
    with running_hub(tmp_path / "hub", port=port) as second:
        client = second.person("writer")
        assert [client.get(f"{DEMO}{path}").json() for path in ("/issues", "/labels", "/commits", "")] == before
        assert second.private_key == key
        assert second.client(token).get(DEMO).status_code == 200
        assert client.post(f"{DEMO}/issues", json={"title": "Next"}).json()["number"] == 2


def test_what_was_not_delivered_before_a_stop_is_delivered_after_the_start(tmp_path: Path) -> None:
    with webhook_receiver() as receiver:
        receiver.hold.clear()
        with running_hub(tmp_path / "hub", webhook_url=receiver.url) as first:
            first.person("writer").post(f"{DEMO}/issues", json={"title": "Late"})
        receiver.hold.set()
        with running_hub(tmp_path / "hub", webhook_url=receiver.url):
            receiver.wait_for("issues.opened")
            receiver.wait_for("installation.created")


def test_the_command_says_where_it_serves_and_survives_a_kill(tmp_path: Path) -> None:
    source = example_repository(tmp_path / "source")
    arguments = [
        sys.executable,
        "-m",
        "runners.local.hub",
        "--root",
        str(tmp_path / "hub"),
        "--import-from",
        str(source),
    ]

    def start() -> tuple[subprocess.Popen[str], dict[str, object]]:
        root = Path(__file__).parents[4]
        process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, cwd=root)
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, f"the hub ended with {process.wait(10)}"
        return process, json.loads(line)

    process, ready = start()
    headers = {"Authorization": f"Bearer {dict(ready['tokens'])['writer']}"}  # type: ignore[call-overload]
    made = httpx.post(f"{ready['api_url']}{DEMO}/issues", json={"title": "Kept"}, headers=headers, timeout=10)
    assert made.status_code == 201
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    process, ready = start()
    found = httpx.get(f"{ready['api_url']}{DEMO}/issues", headers=headers, timeout=10).json()
    assert [issue["title"] for issue in found] == ["Kept"]
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=10)
    assert process.returncode == 0
    assert oct((tmp_path / "hub" / "modelyard.private-key.pem").stat().st_mode)[-3:] == "600"


# --- the store -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Thing(Record, table="thing", indexed=("color",), first_id=500):
    color: str | None
    count: int = 0


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store.sqlite3")


def test_records_are_kept_by_id_and_found_by_their_indexed_fields(store: Store) -> None:
    things = store.table(Thing)
    made = [things.add(Thing(color=color)) for color in ("red", None, "red")]
    assert [thing.id for thing in made] == [500, 501, 502]
    assert things.find(color="red", newest_first=True) == [made[2], made[0]]
    assert things.first(color=None) == made[1]
    assert things.count(color="red") == 2
    with pytest.raises(ValueError, match="no indexed field count"):
        things.find(count=0)
    assert things.delete(502)
    assert things.add(Thing(color="blue")).id == 503, "an id is never given twice"
    store.close()


def test_a_transaction_keeps_all_or_nothing(store: Store) -> None:
    things = store.table(Thing)
    thing = things.add(Thing(color="red"))

    def change() -> None:
        with store.transaction():
            things.update(thing.id, count=1)
            things.add(Thing(color="green"))
            raise RuntimeError("in between")

    with pytest.raises(RuntimeError):
        change()
    assert things.need(thing.id).count == 0
    assert things.count() == 1
    store.close()


def test_many_threads_lose_no_change(store: Store) -> None:
    things = store.table(Thing)
    thing = things.add(Thing(color="red"))
    numbers: list[int] = []

    def work() -> None:
        for _ in range(50):
            with store.transaction():
                things.update(thing.id, count=things.need(thing.id).count + 1)
            numbers.append(store.next_number(1, "issue"))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert things.need(thing.id).count == 200
    assert sorted(numbers) == list(range(1, 201))
    store.close()


def test_a_document_of_an_older_shape_is_still_read(tmp_path: Path) -> None:
    @dataclass(frozen=True, kw_only=True)
    class Older(Record, table="thing", indexed=("color",)):
        color: str
        gone: str = "x"

    before = Store(tmp_path / "store.sqlite3")
    before.table(Older).add(Older(color="red"))
    before.close()
    after = Store(tmp_path / "store.sqlite3")
    assert after.table(Thing).find() == [Thing(id=1, color="red", count=0)]
    after.close()


def test_a_table_that_is_looked_for_during_a_transaction_does_not_stop_the_hub(tmp_path: Path) -> None:
    hub = Hub.open(tmp_path, "http://127.0.0.1:9")
    looked = threading.Event()

    def look() -> None:
        hub.issues.find()
        looked.set()

    def tell() -> None:
        with hub.store.transaction():
            other = threading.Thread(target=look, daemon=True)
            other.start()
            other.join(0.2)  # It waits for the transaction, which now needs the same table.
            hub.issues.find()

    telling = threading.Thread(target=tell, daemon=True)
    telling.start()
    telling.join(5)
    assert not telling.is_alive()
    assert looked.wait(5)
    hub.close()
