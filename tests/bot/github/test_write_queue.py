from __future__ import annotations

import asyncio

import pytest

from bot.github.write_queue import GUARD, TokenBucket, WriteQueue


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        await asyncio.sleep(0)


def bucket_of(clock: Clock) -> TokenBucket:
    return TokenBucket(clock=clock, sleep=clock.sleep)


def test_by_default_fifteen_writes_go_out_at_once_and_then_one_per_second() -> None:
    async def take_twenty() -> list[float]:
        clock = Clock()
        bucket = bucket_of(clock)
        times = []
        for _ in range(20):
            await bucket.take()
            times.append(clock.now)
        return times

    times = asyncio.run(take_twenty())

    assert times[:15] == [0.0] * 15
    assert [round(time, 3) for time in times[15:]] == [1.0, 2.0, 3.0, 4.0, 5.0]


def test_a_bucket_is_refilled_at_its_rate_and_before_anyone_has_to_wait() -> None:
    async def take_four() -> list[float]:
        clock = Clock()
        bucket = TokenBucket(burst=1, per_second=4.0, clock=clock, sleep=clock.sleep)
        times = []
        for pause in (0, 10, 0, 0.125):
            clock.now += pause
            await bucket.take()
            times.append(round(clock.now, 3))
        return times

    assert asyncio.run(take_four()) == [0, 10, 10.25, 10.5]


def test_an_idle_bucket_fills_up_to_its_burst_and_no_further() -> None:
    async def idle() -> tuple[int, int, int]:
        clock = Clock()
        bucket = bucket_of(clock)
        for _ in range(10):
            await bucket.take()
        before = bucket.spare()
        clock.now += 3
        later = bucket.spare()
        clock.now += 1_000
        return before, later, bucket.spare()

    assert asyncio.run(idle()) == (5, 8, 15)


def test_a_clock_that_goes_back_costs_no_tokens() -> None:
    async def jump() -> int:
        clock = Clock()
        bucket = bucket_of(clock)
        clock.now -= 100
        return bucket.spare()

    assert asyncio.run(jump()) == 15


def test_waiting_writes_are_sent_in_order() -> None:
    async def ask() -> list[int]:
        clock = Clock()
        bucket = TokenBucket(burst=1, per_second=1.0, clock=clock, sleep=clock.sleep)
        served: list[int] = []

        async def take(number: int) -> None:
            await bucket.take()
            served.append(number)

        async with asyncio.TaskGroup() as tasks:
            for number in range(6):
                tasks.create_task(take(number))
        return served

    assert asyncio.run(ask()) == [0, 1, 2, 3, 4, 5]


def test_writes_never_overlap_even_with_tokens_left() -> None:
    async def write_at_once() -> int:
        queue = WriteQueue(TokenBucket(burst=15))
        inside = most = 0

        async def write() -> None:
            nonlocal inside, most
            async with queue.turn():
                inside += 1
                most = max(most, inside)
                await asyncio.sleep(0)
                inside -= 1

        async with asyncio.TaskGroup() as tasks:
            for _ in range(10):
                tasks.create_task(write())
        return most

    assert asyncio.run(write_at_once()) == 1


def test_a_write_that_fails_or_is_cancelled_lets_the_next_one_in() -> None:
    async def give_up() -> int:
        clock = Clock()
        queue = WriteQueue(TokenBucket(burst=2, per_second=1.0, clock=clock, sleep=clock.sleep))
        with pytest.raises(RuntimeError):
            async with queue.turn():
                raise RuntimeError("the write failed")
        async with asyncio.timeout(5), queue.turn():
            return queue.spare()

    assert asyncio.run(give_up()) == 0


@pytest.mark.parametrize(("burst", "per_second"), [(0, 1.0), (1, 0.0)])
def test_a_bucket_that_can_never_hold_a_token_is_refused(burst: int, per_second: float) -> None:
    with pytest.raises(ValueError, match="at least one token"):
        TokenBucket(burst=burst, per_second=per_second)


def test_a_task_whose_guard_objects_does_not_write_and_the_next_one_may() -> None:
    written: list[str] = []

    def object_to_it() -> None:
        raise RuntimeError("the lease is lost")

    async def write() -> None:
        queue = WriteQueue(TokenBucket())
        GUARD.set(object_to_it)
        with pytest.raises(RuntimeError):
            async with queue.turn():
                written.append("without a lease")
        GUARD.set(None)
        async with asyncio.timeout(5), queue.turn():
            written.append("with a lease")

    asyncio.run(write())
    assert written == ["with a lease"]
