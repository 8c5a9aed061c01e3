"""The sentences that templates can use beside a notice's plain values (pure).

They are whole sentences in the notice's language, or empty where they do not apply, so that the built-in templates need no
conditions.
"""

from __future__ import annotations

from pathlib import Path

from actions.notification.notice import Notice
from actions.text import formatting
from actions.text.catalogue import Catalogue
from actions.text.markdown import shorten

CATALOGUE = Catalogue(Path(__file__).parent / "texts")
SENTENCES: dict[str, str] = {
    "score": "the judged metric's figure, the threshold, and the champion's figure",
    "decision": "who cancelled the run or decided against a retry, and why",
    "details": "what went wrong: the rule, what was found, and how to fix it, one per line",
    "outcome": "whether production uses another version now",
    "question": "who must decide, by when, and how",
    "requested": "who requested the training run",
    "links": "links to the issue, the run's history and the workflow run",
}
"""The names of the sentences, with what each says."""
_MAX_NAME, _MAX_TEXT = 40, 500


class Sentences:
    """Writes the sentences of one notice as plain text.

    Parameters
    ----------
    notice
        The event to notify about.
    """

    def __init__(self, notice: Notice) -> None:
        self._notice = notice

    def say(self, key: str, /, **values: object) -> str:
        """Return a text of the catalogue, its placeholders filled in."""
        return CATALOGUE.texts(self._notice.language)[key].format(**values)

    def score(self) -> str:
        notice = self._notice
        if not notice.metric or notice.value is None or notice.threshold is None:
            return ""
        value = formatting.figure(notice.value, notice.language)
        threshold = formatting.short(notice.threshold)
        if notice.at_most:
            score = self.say("score.at_most", metric=notice.metric, value=value, threshold=threshold)
        else:
            score = self.say("score.at_least", metric=notice.metric, value=value, threshold=threshold)
        if notice.champion is None:
            return score
        champion = formatting.figure(notice.champion, notice.language)
        return self.say("score.champion", score=score, value=champion)

    def decision(self) -> str:
        notice = self._notice
        if not notice.decided_by:
            return ""
        who = shorten(notice.decided_by, _MAX_NAME)
        key = "decision.cancelled" if notice.status == "cancelled" else "decision.rejected"
        reason = self.say("decision.reason", reason=shorten(notice.reason, _MAX_TEXT)) if notice.reason else ""
        return self._joined(self.say(key, who=who), reason)

    def details(self) -> list[str]:
        """Return one line for each part of the problem that is known."""
        notice, problem = self._notice, self._notice.problem
        if problem is None or notice.status == "cancelled":
            return []
        parts = {"details.rule": problem.rule, "details.found": problem.found, "details.fix": problem.next_step}
        return [self.say(key, text=shorten(text, _MAX_TEXT)) for key, text in parts.items() if text]

    def outcome(self) -> str:
        notice = self._notice
        if notice.event == "failure":
            return self.say("outcome.unchanged")
        if notice.event == "waiting" or notice.version is None:
            return ""
        return self.say("outcome.champion" if notice.promoted else "outcome.candidate", version=notice.version)

    def question(self) -> str:
        notice = self._notice
        if notice.event != "waiting":
            return ""
        if notice.waiting_until is None:
            decide = self.say("question.decide")
        else:
            decide = self.say("question.decide_by", until=formatting.moment(notice.waiting_until, notice.language))
        return self._joined(decide, self.say("question.expires"))

    def requested(self) -> str:
        notice = self._notice
        who = shorten(notice.requester, _MAX_NAME)
        if notice.event == "waiting":
            return self.say("requested.attempt", attempt=notice.attempt, attempts=notice.attempts_allowed, who=who)
        return self.say("requested.by", who=who)

    def links(self) -> list[tuple[str, str]]:
        """Return the text and the address of each page that is worth a look."""
        notice = self._notice
        pages = [("link.issue", notice.issue_url), ("link.history", notice.history_url)]
        if notice.event == "failure":
            pages.append(("link.workflow", notice.workflow_url))
        return [(self.say(key), url) for key, url in pages if url]

    def _joined(self, *sentences: str) -> str:
        return self.say("sentence").join(sentence for sentence in sentences if sentence)
