"""The bot speaks each language as well as English: in every state, in every answer, nothing left untranslated."""

from __future__ import annotations

import re
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actions.contracts.channels import Event, Language
from actions.errors import invalid_field
from actions.notification.templates import compose
from bot.events.commands import COMMANDS
from bot.messages import answers, notices, run_comments
from bot.messages.notifications import notice_of
from bot.parsing.command import ParsedCommand, UnknownCommand
from bot.runs.machines.training import State
from bot.runs.run import AttemptVerdict
from bot.runs.view import RunView
from tests.bot.messages.test_comments import HOSTILE, OWN_TAGS, assert_deaf, clean_names, folded, hostile_view
from tests.support.comment_reading import read
from tests.support.run_views import ERROR, a_request, a_run, a_verdict, a_view, every_view

LANGUAGES = get_args(Language)
OTHERS = [language for language in LANGUAGES if language != "en"]
VIEWS = every_view()
JAPANESE = re.compile("[ぁ-んァ-ヶ一-龯]")
ENGLISH = re.compile(r"\b(?:the|run|model|is|was|at least|at most|Next|attempt|Rule|Found)\b")

every_other = pytest.mark.parametrize("language", OTHERS)


@every_other
@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_every_comment_about_a_run_is_complete(language: str, view: RunView) -> None:
    said = (
        run_comments.sticky,
        run_comments.status_reply,
        run_comments.decision_needed,
        run_comments.finished,
        run_comments.request_frozen,
    )
    for text in (*(speak(view, language) for speak in said), run_comments.not_waiting(view, "approve", language)):
        reading = read(text)
        assert JAPANESE.search(text)
        assert len(reading.headings) <= 1
        assert set(reading.tags) <= OWN_TAGS
        assert folded(reading.tags) == 0
        for odd in ("None", "{{", "{%", "\n\n\n", "  は"):
            assert odd not in text
        # What stages, errors and judges without a figure say comes from the code, and is English.
        of_the_code = view.run.error is not None or (view.verdict is not None and view.verdict.status == "failed")
        assert of_the_code or not ENGLISH.search(re.sub(r"`[^`]*`|<[^>]*>", "", text))
    assert (
        run_comments.sticky(view, language).split("\n")[0]
        == f"### {run_comments.finished(view, language).split(chr(10))[0]}"
    )


@every_other
@pytest.mark.parametrize("state", State)
def test_there_is_a_first_line_for_every_state(language: str, state: State) -> None:
    line = run_comments.sticky(a_view(a_run(state)), language).split("\n")[0]
    assert re.match(r"### (⏳|✋|✅|❌|⚠️) ", line)
    assert JAPANESE.search(line)


@every_other
def test_every_answer_is_translated(language: str) -> None:
    wrong = [invalid_field("data", "R.", "f", "N.")]
    translated = [
        notices.invalid(wrong, language),
        notices.invalid_data(ERROR, "train-20261122-001", language),
        notices.problem_fixed(language),
        notices.not_a_form(language),
        notices.request_refused("read", language=language),
        answers.refused("approve", ["write"], "read", language),
        answers.wrong_arguments(ParsedCommand(COMMANDS["approve"], problems=tuple(wrong)), language),
        answers.unknown_command(UnknownCommand("aprove", "approve"), language),
        answers.help_text(COMMANDS, language=language),
        answers.no_run("cancel", language),
        notices.public_repository_refused(language),
        notices.config_broken(ERROR, language),
        notices.repository_replaced("owner/demo", "owner/7.git", language)[1],
        notices.internal_trouble("delivery-1", language),
    ]
    for text in translated:
        assert JAPANESE.search(text)
        assert "None" not in text
        assert set(read(text).tags) <= OWN_TAGS
    assert all(command.usage in answers.help_text(COMMANDS, language=language) for command in COMMANDS.values())


def test_figures_durations_and_moments_are_written_as_the_language_has_them() -> None:
    text = run_comments.sticky(VIEWS["training"], "ja")
    assert "| train | 🔵 実行中 40% | 1 分 15 秒 | fitting 200 trees |" in text
    assert "2026年11月22日 12:00 UTC 現在" in text
    assert "**2026年11月23日 12:00 UTC** までに" in run_comments.sticky(VIEWS["asking"], "ja")
    question = run_comments.decision_needed(VIEWS["asking"], "ja")
    assert "accuracy は 0.9123 で、しきい値" in question
    assert "0.95 以上" in question


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"champion_value": 0.95, "champion_version": 2}, "は 0.9500 です。"),
        (
            {"reason": "worse_than_champion", "champion_value": 0.97, "champion_version": 2},
            "は 0.9700 です。新しいモデルはチャンピオンより劣っています。",
        ),
        ({"reason": "of_a_newer_runner", "explanation": "It is so."}, "It is so."),
        ({"metric": "log_loss", "threshold": 0.2}, "（0.2 以下）を満たしています。"),  # noqa: RUF001 - Japanese
    ],
)
def test_a_verdict_is_explained_from_its_figures_and_an_unknown_one_in_its_own_words(
    changes: dict[str, Any], words: str
) -> None:
    verdict = a_verdict(**changes)
    request = a_request(metric=verdict.metric, threshold=verdict.threshold)
    run = a_run(State.REGISTER_MODEL, request=request, verdicts=(AttemptVerdict(attempt=1, verdict=verdict),))
    assert words in run_comments.sticky(a_view(run), "ja")


def test_comments_are_in_the_repositorys_language() -> None:
    view = a_view(a_run(State.TRAIN_MODEL, language="ja"))
    assert run_comments.sticky(view) == run_comments.sticky(view, "ja")
    assert run_comments.sticky(view) != run_comments.sticky(view, "en")
    assert run_comments.headline(view) == "⏳ breast-cancer を学習しています"


def test_a_comment_that_was_cut_says_so_in_its_language() -> None:
    assert run_comments.sticky(VIEWS["crashed"], "ja", limit=400).endswith(
        "*コメントの長さの上限を超えるため、ここで省略しました。*"
    )


@every_other
@given(
    text=HOSTILE,
    where=st.sampled_from(
        [(State.TRAIN_MODEL, None), (State.WAIT_FOR_OPERATOR_INPUT, None), (State.QUEUED, None), (State.END, "rejected"),
         (State.END, "failed")]
    ),
)  # fmt: skip
def test_text_by_others_is_never_active(language: str, text: str, where: tuple[State, str | None]) -> None:
    view = hostile_view(text, *where)
    assert_deaf(run_comments.sticky(view, language), images=1)
    for answer in (
        run_comments.status_reply,
        run_comments.finished,
        run_comments.decision_needed,
        run_comments.request_frozen,
    ):
        assert_deaf(answer(view, language))
    wrong, sayable = invalid_field(text, text, text, text), clean_names(text)
    error = ERROR.model_copy(update={"rule": sayable, "found": sayable, "next_step": sayable})
    for said in (
        notices.invalid([wrong, wrong], language),
        notices.invalid_data(error, text, language),
        notices.config_broken(error, language),
        notices.request_refused(text, language=language),
        answers.refused(text, [text, text], text, language),
        answers.unknown_command(UnknownCommand(text, text), language),
        answers.no_run(text, language),
        notices.internal_trouble(text, language),
        answers.wrong_arguments(ParsedCommand(COMMANDS["approve"], problems=(wrong,)), language),
        run_comments.not_waiting(VIEWS["training"], text, language),
    ):
        assert_deaf(said)


# --- notifications about the same runs ---------------------------------------------------------------------------------

EVENT_OF: dict[str, Event] = {"passed": "success", "promoted": "success", "asking": "waiting"}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", [name for name, view in VIEWS.items() if view.run.ended or name == "asking"])
def test_a_notification_about_any_run_is_complete(language: str, name: str) -> None:
    view = VIEWS[name]
    view = RunView(**{**vars(view), "run": view.run.replace(language=language)})
    notice = notice_of(view, EVENT_OF.get(name, "failure"), "https://github.com/owner/models")
    assert notice.headline == run_comments.headline(view)
    assert notice.issue_url == "https://github.com/owner/models/issues/7"
    for channel in ("slack", "email"):
        said = compose(notice, channel)
        assert said.remark == ""
        assert notice.headline in said.title
        assert notice.issue_url in said.body
        assert "None" not in said.body
        assert bool(JAPANESE.search(said.body)) is (language == "ja")


@given(HOSTILE)
def test_any_run_can_be_notified(text: str) -> None:
    for state, status, event in ((State.END, "failed", "failure"), (State.WAIT_FOR_OPERATOR_INPUT, None, "waiting")):
        view = hostile_view(text, state, status)
        notice = notice_of(view, event, "https://github.com/owner/models")  # type: ignore[arg-type]
        said = compose(notice, "slack")
        assert said.remark == ""
        own = re.sub(r"<https://github\.com/[^|>]*\|[^<>|]*>", "", said.title + said.body)
        assert "<" not in own
        assert ">" not in own
