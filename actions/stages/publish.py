"""The stage publish: puts the result together from what the other stages left. It opens no model and imports no library."""

from __future__ import annotations

import os
import re

from actions.context import Context
from actions.contracts.request import WorkOrder
from actions.contracts.results import Published, PublishedResult
from actions.errors import OperationError
from actions.stages import inputs
from actions.stages.push import push_orphan
from actions.stages.records import folder_of
from actions.stages.results import Evaluated, Judged, Prepared, PublishedStage, Trained
from actions.storage.folder import write_atomically

_PNG = b"\x89PNG\r\n\x1a\n"
_SHA = re.compile(r"[0-9a-f]{40}")


def publish(order: WorkOrder, context: Context) -> PublishedStage:
    """Push ``result.json`` and ``plots/*.png`` to ``refs/modelyard/<run>/<attempt>``; leave ``published.json``."""
    files = published_files(order, context)
    ref = f"refs/modelyard/{order.run}/{order.attempt}"
    context.report(f"pushing {len(files)} files")
    published = Published(ref=ref, sha=push_orphan(files, ref, f"Result of {order.run}, attempt {order.attempt}"))
    path = folder_of("publish", order, context.storage) / "published.json"
    write_atomically(path, published.model_dump_json() + "\n")
    size = sum(len(content) for content in files.values())
    return PublishedStage(published=published, files=len(files), size_bytes=size)


def published_files(order: WorkOrder, context: Context) -> dict[str, bytes]:
    """Return the files of the result's commit by path."""
    made = [
        inputs.prepare_record(order, context),
        inputs.train_record(order, context),
        inputs.evaluate_record(order, context),
        inputs.judge_record(order, context),
    ]
    prepared, trained, evaluated, judged = (
        Prepared.model_validate(made[0].result),
        Trained.model_validate(made[1].result),
        Evaluated.model_validate(made[2].result),
        Judged.model_validate(made[3].result),
    )
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
        metrics=evaluated.metrics,
        intervals={name: (found.low, found.high) for name, found in evaluated.intervals.items()},
        champion_metrics=evaluated.champion.metrics if evaluated.champion else None,
        verdict=judged.verdict,
        environment=made[1].environment,
        durations={record.stage: round(record.import_seconds + record.work_seconds, 3) for record in made},
        plots=list(plots),
    )
    text = result.model_dump_json(indent=2) + "\n"
    return {"result.json": text.encode(), **{f"plots/{name}": content for name, content in plots.items()}}


def _png(uri: str, context: Context) -> bytes:
    content = context.storage.path(uri).read_bytes()
    if not content.startswith(_PNG):
        raise OperationError(
            "not_a_plot",
            rule="Only PNG images are published.",
            found=f"{uri} is none.",
            next_step="Start the attempt at evaluate.",
        )
    return content


def _sha(name: str) -> str:
    """Return a commit that the workflow names, or nothing where it names none."""
    found = os.environ.get(name, "")
    return found if _SHA.fullmatch(found) else ""
