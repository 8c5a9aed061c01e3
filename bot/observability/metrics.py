"""What ``/metrics`` says of this process and of the database, in Prometheus's words."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy.exc import SQLAlchemyError

from bot.database.engine import Database
from bot.database.statistics import figures
from bot.github.traffic import Traffic
from bot.runs.machine import State

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_STEP_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)


class Metrics:
    """One App's figures.

    Parameters
    ----------
    database
        Asked at each scrape.
    answers
        ``Webhooks.counts``.
    traffic
        What the gateway has seen.
    worker_runs
        Whether the worker runs in this process; None where it is not meant to.
    """

    def __init__(
        self,
        database: Database,
        answers: Mapping[str, int],
        traffic: Traffic,
        worker_runs: Callable[[], bool | None],
    ) -> None:
        self._registry = CollectorRegistry()
        self._steps = Histogram(
            "modelyard_step_duration_seconds",
            "How long the worker was busy with one step of a run, by the state that the run was in.",
            ["state"],
            buckets=_STEP_SECONDS,
            registry=self._registry,
        )
        self._doors = Counter(
            "modelyard_door_requests",
            "Requests that came by another door than the form, by what became of them.",
            ["door", "result"],
            registry=self._registry,
        )
        self._registry.register(_Process(answers, traffic, worker_runs))
        self._registry.register(_InDatabase(database))

    def step_took(self, state: State, seconds: float) -> None:
        """Count one step of a run."""
        self._steps.labels(state.value).observe(seconds)

    def door_used(self, door: str, result: str) -> None:
        """Count one request that came by another door than the form."""
        self._doors.labels(door, result).inc()

    def text(self) -> bytes:
        """Return everything as Prometheus reads it. Asks the database, so it may block."""
        return generate_latest(self._registry)


class _Process(Collector):
    def __init__(self, answers: Mapping[str, int], traffic: Traffic, worker_runs: Callable[[], bool | None]) -> None:
        self._answers = answers
        self._traffic = traffic
        self._worker_runs = worker_runs

    def collect(self) -> Iterator[Metric]:
        answers = CounterMetricFamily(
            "modelyard_webhook_answers", "Answers to webhook requests, by result or reason.", labels=["result"]
        )
        events = CounterMetricFamily("modelyard_webhook_events", "Signed webhook events, by name.", labels=["event"])
        for name, count in dict(self._answers).items():
            is_event = name.startswith("event:")
            (events if is_event else answers).add_metric([name.removeprefix("event:")], count)
        requests = CounterMetricFamily(
            "modelyard_github_requests", "Requests to GitHub, by the answer's class, or lost.", labels=["status"]
        )
        for status, count in dict(self._traffic.answers).items():
            requests.add_metric([status], count)
        yield from (answers, events, requests)
        yield from self._limits()
        running = self._worker_runs()
        if running is not None:
            yield GaugeMetricFamily("modelyard_worker_up", "Whether this process's worker runs.", value=running)

    def _limits(self) -> Iterator[Metric]:
        labels = ["installation", "resource"]
        remaining = GaugeMetricFamily(
            "modelyard_github_rate_limit_remaining_requests", "Requests left until the reset.", labels=labels
        )
        limit = GaugeMetricFamily("modelyard_github_rate_limit_requests", "Requests granted an hour.", labels=labels)
        reset = GaugeMetricFamily(
            "modelyard_github_rate_limit_reset_timestamp_seconds", "When the full limit is back.", labels=labels
        )
        for key, known in dict(self._traffic.limits).items():
            remaining.add_metric(key, known.remaining)
            limit.add_metric(key, known.limit)
            reset.add_metric(key, known.reset)
        yield from (remaining, limit, reset)


class _InDatabase(Collector):
    """What all replicas share. Where the database does not answer, the process's own figures are still told."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def collect(self) -> Iterator[Metric]:
        try:
            found = figures(self._database)
        except SQLAlchemyError:
            found = None
        yield GaugeMetricFamily("modelyard_database_up", "Whether the database answers.", value=found is not None)
        if found is None:
            return
        yield GaugeMetricFamily("modelyard_deliveries_waiting", "Deliveries not handled yet.", value=found.waiting)
        yield GaugeMetricFamily("modelyard_deliveries_dead", "Deliveries given up (dead letters).", value=found.dead)
        age = 0.0 if found.oldest is None else max(time.time() - found.oldest, 0.0)
        yield GaugeMetricFamily(
            "modelyard_oldest_waiting_delivery_age_seconds", "Since when the oldest of them waits.", value=age
        )
        runs = GaugeMetricFamily("modelyard_open_runs", "Runs that have not ended, by state.", labels=["state"])
        for state in State:
            if state is not State.END:
                runs.add_metric([state.value], found.runs.get(state.value, 0))
        yield runs
        yield GaugeMetricFamily("modelyard_replicas", "Workers that are alive, in any process.", value=found.replicas)
