"""``/metrics``: the figures of this process and of the database, for Prometheus."""

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
from bot.runs.machines import states_where

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_STEP_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)


class Metrics:
    """The metrics of one App.

    Parameters
    ----------
    database
        Queried at each scrape.
    answers
        ``Webhooks.counts``.
    traffic
        The gateway's statistics.
    worker_is_up
        Returns whether the worker is running; None if another process runs it.
    """

    def __init__(
        self,
        database: Database,
        answers: Mapping[str, int],
        traffic: Traffic,
        worker_is_up: Callable[[], bool | None],
    ) -> None:
        self._registry = CollectorRegistry()
        self._steps = Histogram(
            "modelyard_step_duration_seconds",
            "Duration of one step of a run, by the state of the run.",
            ["state"],
            buckets=_STEP_SECONDS,
            registry=self._registry,
        )
        self._triggers = Counter(
            "modelyard_trigger_requests",
            "Requests that did not come from the issue form, by source and result.",
            ["source", "result"],
            registry=self._registry,
        )
        self._registry.register(_Process(answers, traffic, worker_is_up))
        self._registry.register(_InDatabase(database))

    def step_took(self, state: str, seconds: float) -> None:
        """Record one step of a run."""
        self._steps.labels(state).observe(seconds)

    def count_trigger(self, source: str, result: str) -> None:
        """Count one request that did not come from the issue form."""
        self._triggers.labels(source, result).inc()

    def text(self) -> bytes:
        """Return all metrics in Prometheus's text format. Queries the database, so it may block."""
        return generate_latest(self._registry)


class _Process(Collector):
    def __init__(self, answers: Mapping[str, int], traffic: Traffic, worker_is_up: Callable[[], bool | None]) -> None:
        self._answers = answers
        self._traffic = traffic
        self._worker_is_up = worker_is_up

    def collect(self) -> Iterator[Metric]:
        answers = CounterMetricFamily(
            "modelyard_webhook_answers", "Answers to webhook requests, by result or reason.", labels=["result"]
        )
        events = CounterMetricFamily("modelyard_webhook_events", "Signed webhook events, by name.", labels=["event"])
        for name, count in dict(self._answers).items():
            is_event = name.startswith("event:")
            (events if is_event else answers).add_metric([name.removeprefix("event:")], count)
        requests = CounterMetricFamily(
            "modelyard_github_requests",
            "Requests to GitHub, by class of status code; lost if there was no response.",
            labels=["status"],
        )
        for status, count in dict(self._traffic.answers).items():
            requests.add_metric([status], count)
        yield from (answers, events, requests)
        yield from self._limits()
        running = self._worker_is_up()
        if running is not None:
            yield GaugeMetricFamily("modelyard_worker_up", "Whether this process's worker is running.", value=running)

    def _limits(self) -> Iterator[Metric]:
        labels = ["installation", "resource"]
        remaining = GaugeMetricFamily(
            "modelyard_github_rate_limit_remaining_requests", "Requests left until the limit is reset.", labels=labels
        )
        limit = GaugeMetricFamily("modelyard_github_rate_limit_requests", "Requests allowed per hour.", labels=labels)
        reset = GaugeMetricFamily(
            "modelyard_github_rate_limit_reset_timestamp_seconds", "When the limit is reset.", labels=labels
        )
        for key, current in dict(self._traffic.limits).items():
            remaining.add_metric(key, current.remaining)
            limit.add_metric(key, current.limit)
            reset.add_metric(key, current.reset)
        yield from (remaining, limit, reset)


class _InDatabase(Collector):
    """Figures shared by all replicas. If the database does not answer, the process's own figures are still returned."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def collect(self) -> Iterator[Metric]:
        try:
            counts = figures(self._database)
        except SQLAlchemyError:
            counts = None
        yield GaugeMetricFamily("modelyard_database_up", "Whether the database answers.", value=counts is not None)
        if counts is None:
            return
        yield GaugeMetricFamily(
            "modelyard_deliveries_waiting", "Deliveries that have not been handled yet.", value=counts.waiting
        )
        yield GaugeMetricFamily(
            "modelyard_deliveries_dead", "Dead letters: deliveries that could not be handled.", value=counts.dead
        )
        age = 0.0 if counts.oldest is None else max(time.time() - counts.oldest, 0.0)
        yield GaugeMetricFamily(
            "modelyard_oldest_waiting_delivery_age_seconds", "How long the oldest of them has been waiting.", value=age
        )
        runs = GaugeMetricFamily("modelyard_open_runs", "Runs that have not ended, by state.", labels=["state"])
        for state in states_where(lambda _: True):
            runs.add_metric([state], counts.runs.get(state, 0))
        yield runs
        yield GaugeMetricFamily(
            "modelyard_replicas", "Workers that are alive, in all processes.", value=counts.replicas
        )
