"""A look at a file on a mount that never answers is abandoned, and stops nothing else."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest

from bot.engine import looks as looks_module
from bot.engine.looks import Looks, StuckLookError


@pytest.fixture
def mount() -> Iterator[threading.Event]:
    """Return what a look waits for; it comes back after the test."""
    answers = threading.Event()
    yield answers
    answers.set()


def test_a_stuck_look_is_abandoned_and_others_go_on(mount: threading.Event) -> None:
    async def look() -> None:
        looks = Looks(seconds=0.01)
        with pytest.raises(StuckLookError):
            await looks.at("a", mount.wait)
        assert looks.oldest() >= 0.01
        looks.seconds = 60
        assert await looks.at("b", lambda: 1) == 1

    asyncio.run(look())


def test_a_place_with_a_stuck_look_gets_no_further_one(mount: threading.Event) -> None:
    async def look() -> int:
        looks = Looks(seconds=0.01)
        for _ in range(5):
            with pytest.raises(StuckLookError):
                await looks.at("a", mount.wait)
        return sum(thread.name == "look at a" for thread in threading.enumerate())

    assert asyncio.run(look()) == 1


def test_stuck_looks_are_limited_in_number(mount: threading.Event, monkeypatch: pytest.MonkeyPatch) -> None:
    async def look() -> int:
        looks = Looks(seconds=0.01)
        for number in range(5):
            with pytest.raises(StuckLookError):
                await looks.at(f"place {number}", mount.wait)
        return sum(thread.name.startswith("look at place") for thread in threading.enumerate())

    monkeypatch.setattr(looks_module, "MAX_LOOKS", 2)
    assert asyncio.run(look()) == 2


def test_a_mount_that_comes_back_is_looked_at_again(mount: threading.Event) -> None:
    async def look() -> bool:
        looks = Looks(seconds=0.01)
        with pytest.raises(StuckLookError):
            await looks.at("a", mount.wait)
        mount.set()
        for thread in threading.enumerate():
            if thread.name == "look at a":
                thread.join()
        looks.seconds = 60
        return await looks.at("a", mount.wait)

    assert asyncio.run(look())


def test_the_error_of_a_look_is_passed_on() -> None:
    def look() -> None:
        raise TimeoutError("of the file system")

    with pytest.raises(TimeoutError, match="of the file system"):
        asyncio.run(Looks().at("a", look))
