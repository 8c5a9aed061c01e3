"""The stage publish: assembles the result from what the other stages left. It opens no model and imports no library."""

from __future__ import annotations

import os
import re

from pydantic import Field

from actions.context import Context
from actions.contracts.png import is_png
from actions.contracts.results import Published
from actions.errors import OperationError
from actions.stages.evaluate import EVALUATE
from actions.stages.judge import JUDGE
from actions.stages.prepare import PREPARE
from actions.stages.push import push_orphan
from actions.stages.spec import Attempt, StageSpec
from actions.stages.train import TRAIN
from actions.storage.folder import write_atomically
from actions.tasks.exchange import PublishedResult
from actions.tasks.results import Facts, StageResult
from actions.text.markdown import code, inline

_SHA = re.compile(r"[0-9a-f]{40}")


class PublishedStage(StageResult):
    """Which commit publish pushed, and how large it is."""

    published: Published
    files: int = Field(ge=0)
    size_bytes: int = Field(ge=0)

    def facts(self) -> Facts:
        size = f"{self.files} files, {self.size_bytes} bytes"
        return [("ref", code(self.published.ref)), ("commit", code(self.published.sha)), ("size", inline(size))]


def _run(attempt: Attempt) -> PublishedStage:
    """Push ``result.json`` and ``plots/*.png`` to ``refs/modelyard/<run>/<attempt>``; leave ``published.json``."""
    order, context = attempt.order, attempt.context
    files = published_files(attempt)
    ref = f"refs/modelyard/{order.run}/{order.attempt}"
    context.report(f"pushing {len(files)} files")
    published = Published(ref=ref, sha=push_orphan(files, ref, f"Result of {order.run}, attempt {order.attempt}"))
    path = PUBLISH.folder(order, context.storage) / "published.json"
    write_atomically(path, published.model_dump_json() + "\n")
    size = sum(len(content) for content in files.values())
    return PublishedStage(published=published, files=len(files), size_bytes=size)


PUBLISH = StageSpec[PublishedStage](
    name="publish",
    area="evaluations",
    inputs=lambda attempt: {"verdict": JUDGE.record(attempt).result},
    result=lambda _: PublishedStage,
    run=_run,
    is_skippable=False,  # what it pushed may have been deleted since
)


def published_files(attempt: Attempt) -> dict[str, bytes]:
    """Return the files of the result's commit by path."""
    order, context = attempt.order, attempt.context
    prepared, trained, evaluated = PREPARE.read(attempt), TRAIN.read(attempt), EVALUATE.read(attempt)
    records = [spec.record(attempt) for spec in (PREPARE, TRAIN, EVALUATE, JUDGE)]
    plots = {uri.rsplit("/", 1)[-1]: _png(uri, context) for uri in (*sorted(evaluated.plots), *trained.plots())}
    result = PublishedResult(
        run=order.run,
        attempt=order.attempt,
        repository=order.repository,
        issue=order.issue,
        model_name=order.request.model_name,
        request=order.request,
        training_seed=order.training_seed,
        git_sha=_sha("GITHUB_SHA"),
        modelyard_sha=_sha("MODELYARD_SHA"),
        data=prepared.data,
        model=trained.model,
        search=trained.search,
        details=evaluated.details,
        metrics=evaluated.metrics,
        intervals=evaluated.intervals,
        champion_metrics=evaluated.champion.metrics if evaluated.champion else None,
        verdict=JUDGE.read(attempt).verdict,
        environment=records[1].environment,
        durations={record.stage: round(record.import_seconds + record.work_seconds, 3) for record in records},
        plots=list(plots),
    )
    text = result.model_dump_json(indent=2) + "\n"
    return {"result.json": text.encode(), **{f"plots/{name}": content for name, content in plots.items()}}


def _png(uri: str, context: Context) -> bytes:
    content = context.storage.path(uri).read_bytes()
    if not is_png(content):
        raise OperationError(
            "not_a_plot",
            rule="Plots to publish must be PNG images.",
            found=f"{uri} is not one.",
            next_step="Start the attempt at evaluate.",
        )
    return content


def _sha(name: str) -> str:
    """Return a commit that the workflow names, or nothing where it names none."""
    found = os.environ.get(name, "")
    return found if _SHA.fullmatch(found) else ""
