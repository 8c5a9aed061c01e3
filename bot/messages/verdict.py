"""The verdict on a model, its metrics and its comparison with the champion (pure)."""

from __future__ import annotations

from actions.contracts.results import ComparisonFigures, Verdict
from actions.text import formatting
from bot.messages.markup import Markdown, bold, joined, paragraphs, prose, table, text
from bot.messages.run_page import RunPage
from bot.messages.words import Words

_NOTHING = Markdown("")
_MAX_EARLIER = 10


def verdict(page: RunPage) -> Markdown:
    """Return the verdict of the present attempt, why, and how it compares with the champion."""
    judged, run, say = page.view.verdict, page.run, page.say
    if judged is None:
        return _NOTHING
    status = say(f"verdict.{judged.status}")
    opening = say("verdict.text", attempt=run.attempt, attempts=run.attempts_allowed, status=status)
    seen = say("verdict.may_have_seen") if judged.champion_may_have_seen_rows else _NOTHING
    compared = _comparison(judged.comparison, judged.metric, say) if judged.comparison is not None else _NOTHING
    return paragraphs(joined([bold(opening), explanation(page)], " "), seen, compared)


def explanation(page: RunPage) -> Markdown:
    """Return why a model passed or did not, from the figures; what only the runner knows in the runner's own words."""
    judged, say = page.view.verdict, page.say
    if judged is None:
        return _NOTHING
    if judged.value is None or judged.reason not in _EXPLAINED:
        return prose(judged.explanation, page.detail.text)
    score = {"metric": text(judged.metric, 40), "value": say.figure(judged.value)}
    champion = _champion(judged, say)
    if judged.reason in ("threshold_met", "below_threshold"):
        bound = say.bound(page.run.request.judged_metric, judged.threshold)
        met = say(f"explanation.{judged.reason}", **score, bound=bound)
        return say.sentences(met, champion) if judged.reason == "threshold_met" else met
    if not champion:
        return prose(judged.explanation, page.detail.text)
    return say.sentences(say("explanation.scored", **score), champion, say(f"explanation.{judged.reason}"))


_EXPLAINED = ("threshold_met", "below_threshold", "worse_than_champion", "too_close_to_tell")


def _champion(judged: Verdict, say: Words) -> Markdown:
    if not judged.champion_version or judged.champion_value is None:
        return _NOTHING
    return say("explanation.champion", version=judged.champion_version, value=say.figure(judged.champion_value))


def _comparison(found: ComparisonFigures, metric: str, say: Words) -> Markdown:
    low, high = (say("comparison.unknown") if bound is None else _signed(bound) for bound in (found.low, found.high))
    difference = say("comparison.interval", difference=_signed(found.difference), low=low, high=high)
    allowed = say("comparison.risk", allowed=formatting.short(found.allowed), alpha=formatting.short(found.alpha))
    rows = [
        (say("comparison.result"), bold(say(f"comparison.{found.outcome}"))),
        (say("comparison.difference", metric=text(metric, 40)), difference),
        (say("comparison.allowed"), allowed),
        (say("comparison.rows"), say("comparison.resampled", rows=found.rows, resamples=found.resamples)),
    ]
    for slice_ in found.regressions:
        where = say("comparison.worse_where", column=text(slice_.column, 40), value=text(slice_.value, 60))
        on = say.count("comparison.on_rows", slice_.rows, difference=_signed(slice_.difference))
        rows.append((where, on))
    return table([say("comparison.title"), ""], rows)


def _signed(value: float) -> Markdown:
    return Markdown(f"{value:+.4g}")


def metrics(page: RunPage) -> Markdown:
    """Return the metrics of the present attempt beside the champion's; the judged one comes first, in bold."""
    view, say, judged = page.view, page.say, page.view.verdict
    version = judged.champion_version if judged is not None else None
    champion = say("metrics.champion_version", version=version) if version else say("metrics.champion")
    header = [say("metrics.metric"), say("metrics.this_model"), champion, say("metrics.threshold")]
    rows = []
    for name, value, of_champion in view.metric_rows:
        cells = [text(name, 40), say.figure(value), say.figure(of_champion), _NOTHING]
        if judged is not None and name == judged.metric:
            cells = [
                bold(cells[0]),
                bold(cells[1]),
                cells[2],
                say.bound(page.run.request.judged_metric, judged.threshold),
            ]
        rows.append(cells)
    if not view.champion_metrics:
        header, rows = [*header[:2], header[3]], [[*cells[:2], cells[3]] for cells in rows]
    return table(header, rows, right=range(1, len(header)))


def earlier_attempts(page: RunPage) -> Markdown:
    """Return the verdicts of the attempts before this one."""
    say = page.say
    shown = [
        say(
            "earlier.attempt",
            attempt=judged.attempt,
            metric=text(judged.verdict.metric, 40),
            value=say.figure(judged.verdict.value),
            status=say(f"verdict.{judged.verdict.status}"),
        )
        for judged in page.view.earlier[-_MAX_EARLIER:]
    ]
    return say("earlier.text", attempts=joined(shown, say("list.semicolon"))) if shown else _NOTHING
