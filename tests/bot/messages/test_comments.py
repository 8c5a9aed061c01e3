"""What the bot says: right in every state, whole at any length, and deaf to what people hide in their texts."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actions.contracts.results import Verdict
from actions.errors import Problem, invalid_field
from bot.events.commands import COMMANDS
from bot.messages import answers, markup, notices, run_comments, words
from bot.parsing.command import ParsedCommand, UnknownCommand, parse_command
from bot.parsing.form import form_body, parse_form
from bot.runs.machines.training import State
from bot.runs.run import AttemptVerdict, StageError
from bot.runs.view import RunView, StageLine
from tests.support.comment_reading import read
from tests.support.run_views import (
    ERROR,
    NOON,
    STAGES,
    a_comparison,
    a_decision,
    a_request,
    a_result,
    a_run,
    a_search,
    a_verdict,
    a_view,
    every_view,
)  # fmt: skip

VIEWS = every_view()
OWN_TAGS = {"details", "details open", "/details", "summary", "/summary", "code", "/code", "br"}


def folded(tags: list[str]) -> int:
    """Return how many details stay open."""
    return sum(tag.startswith("details") for tag in tags) - tags.count("/details")


def first_line(view: RunView) -> str:
    return run_comments.sticky(view).split("\n")[0]


# --- every state -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_the_first_line_says_what_happens_and_the_next_what_the_reader_can_do(view: RunView) -> None:
    text = run_comments.sticky(view)
    reading = read(text)
    assert text.startswith("### ")
    assert len(reading.headings) == 1
    assert len(text.split("\n\n")[1]) > 20
    assert f"`{view.run.id}`" in text
    assert set(reading.tags) <= OWN_TAGS
    assert folded(reading.tags) == 0
    assert "None" not in text
    assert "\n\n\n" not in text


@pytest.mark.parametrize("state", State)
def test_there_is_a_first_line_for_every_state_of_the_machine(state: State) -> None:
    assert re.match(r"### (⏳|✋|✅|❌|⚠️) \w+", first_line(a_view(a_run(state))))


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("queued", "### ⏳ Queued: starting soon"),
        ("behind another", "### ⏳ Queued: waiting for `train-20261122-000` to finish with `breast-cancer`"),
        ("training", "### ⏳ Training `breast-cancer`"),
        ("asking", "### ✋ Rejected: `breast-cancer` is not good enough. Train it again?"),
        ("passed", "### ✅ Passed: `breast-cancer` version 3 is registered as a candidate"),
        ("promoted", "### ✅ Passed: `breast-cancer` version 3 is the new champion"),
        ("registering", "### ✅ Passed: registering `breast-cancer`"),
        ("not registered", "### ❌ Failed: `breast-cancer` passed but could not be registered"),
        ("turned down", "### ❌ Rejected: `breast-cancer` is not good enough"),
        ("crashed", "### ❌ Failed in the `train` stage"),
        ("not judged", "### ❌ Failed: the model could not be judged"),
        ("stopping", "### ⏳ Cancelling the run"),
        ("cancelled", "### ⏹️ Cancelled"),
        ("invalid", "### ⚠️ Invalid request for `breast-cancer`"),
    ],
)
def test_the_first_line_is_plain(name: str, line: str) -> None:
    assert first_line(VIEWS[name]) == line
    assert run_comments.headline(VIEWS[name]) == line.removeprefix("### ").replace("`", "")


def test_a_running_stage_shows_its_step_its_share_and_the_figures_so_far() -> None:
    text = run_comments.sticky(VIEWS["training"])
    assert "| train | 🔵 running 40% | 1 min 15 s | fitting 200 trees |" in text
    assert "| evaluate | ⚪ waiting |  |  |" in text
    assert "So far: loss 0.3100" in text


def test_a_retried_stage_says_so() -> None:
    assert "is being retried: retry 2 of 3." in run_comments.sticky(a_view(a_run(State.PREPARE_DATA, tries=2)))


def test_the_question_says_who_decides_until_when_and_that_approving_never_accepts() -> None:
    for text in (run_comments.sticky(VIEWS["asking"]), run_comments.decision_needed(VIEWS["asking"])):
        assert "must decide by **23 Nov 2026, 12:00 UTC**." in text
        assert "2 more attempts are allowed" in text
        assert "`/approve` trains the model again" in text
        assert "It never accepts the rejected model." in text
        assert "accuracy is 0.9123, which misses the threshold (at least 0.95)." in text


def test_the_judged_metric_comes_first_with_the_champion_and_the_threshold() -> None:
    lines = run_comments.sticky(VIEWS["promoted"]).split("\n")
    head = lines.index("| Metric | This model | Champion | Threshold |")
    assert lines[head + 2] == "| **accuracy** | **0.9649** | 0.9500 | at least 0.95 |"
    assert lines[head + 3] == "| f1 | 0.9700 | 0.9400 |  |"


def test_a_champion_that_may_have_seen_the_rows_is_marked() -> None:
    verdict = a_verdict(champion_value=0.97, champion_version=2, champion_may_have_seen_rows=True)
    run = a_run(
        State.REGISTER_MODEL, verdicts=(AttemptVerdict(attempt=1, verdict=verdict),),
        result=a_result(verdict, champion_metrics={"accuracy": 0.97}),
    )  # fmt: skip
    text = run_comments.sticky(a_view(run))
    assert "Champion (version 2)" in text
    assert "may have seen these test rows" in text


@pytest.mark.parametrize(
    ("language", "words"),
    [
        (
            "en",
            (
                "| Result | **too close to tell** |",
                "| Difference in accuracy | -0.0088, between -0.0265 and +0.0089 (above 0, this model is better) |",
                "| Allowed to be worse by | 0.02 (risk of accepting a worse model: at most 0.05) |",
                "| Test rows | 114, resampled 2000 times |",
                "| -0.1234 on 31 rows |",
            ),
        ),
        ("ja", ("| 結果 | **差を判断できない** |", "-0.0265 から +0.0089 の間", "劣っていないと判断できません")),
    ],
)
def test_a_comparison_with_the_champion_is_shown_in_figures(language: str, words: tuple[str, ...]) -> None:
    for text in (speak(VIEWS["too close"], language) for speak in (run_comments.sticky, run_comments.decision_needed)):
        for word in words:
            assert word in text
        assert "@all" not in text
        assert "<b>" not in text


def test_unknown_bounds_are_shown_as_unknown() -> None:
    verdict = a_verdict("rejected", comparison=a_comparison(low=None, high=None, regressions=[]))
    run = a_run(State.CHECK_RETRY_LIMIT, verdicts=(AttemptVerdict(attempt=1, verdict=verdict),))
    assert "between unknown and unknown" in run_comments.sticky(a_view(run))
    assert "None" not in run_comments.sticky(a_view(run), "ja")


def test_an_error_metric_has_an_upper_threshold() -> None:
    request = a_request(task="regression", algorithm="xgboost", metric="rmse", threshold=55)
    assert "| Threshold | rmse at most 55 |" in run_comments.sticky(a_view(a_run(request=request)))


def test_a_crash_names_stage_and_step_and_shows_the_end_of_the_log() -> None:
    text = run_comments.sticky(VIEWS["crashed"])
    assert "The `train` stage ended with an error in the step `Run train`." in text
    assert "Traceback\nMemoryError\n" in read(text).fences
    assert "Nothing has changed in production." in text


def test_a_stages_refusal_shows_rule_finding_and_fix() -> None:
    for text in (run_comments.sticky(VIEWS["refused"]), notices.invalid_data(ERROR), notices.config_broken(ERROR)):
        assert "- **Field:** `target`" in text
        assert "- **Rule:** The target column has to be in the data." in text
        assert "- **Found:** Columns: a, b." in text
        assert "- **How to fix it:** Name one of them in the form." in text


def test_a_decision_is_recorded_with_who_when_what_and_why() -> None:
    text = run_comments.sticky(VIEWS["again"])
    assert (
        "- 22 Nov 2026, 12:00 UTC: owner approved a retry after attempt 1, with `n_estimators=500`: more trees may help"
        in text
    )
    assert "Earlier attempts: attempt 1: accuracy 0.9123, rejected." in text
    assert "| Seed | 42 (attempt 2 trains with 43) |" in text


def test_the_final_comment_says_how_the_run_ended() -> None:
    assert "owner decided against a retry: more trees may help" in run_comments.finished(VIEWS["turned down"])
    assert "No one answered in time" in run_comments.finished(VIEWS["lapsed"])
    assert "owner cancelled the run." in run_comments.finished(VIEWS["cancelled"])
    assert "[History of this run](https://" in run_comments.finished(VIEWS["passed"])
    last = a_run(
        State.END, status="rejected", attempt=3, verdicts=(AttemptVerdict(attempt=3, verdict=a_verdict("rejected")),)
    )
    assert "All 3 attempts that the request allows have been used." in run_comments.finished(a_view(last))


def test_a_history_that_could_not_be_written_is_reported() -> None:
    missing = "The history of this run could not be written"
    assert missing in run_comments.finished(VIEWS["not registered"])
    assert missing not in run_comments.finished(VIEWS["passed"])


def test_plots_are_shown_as_images() -> None:
    assert read(run_comments.sticky(VIEWS["passed"])).images == ["https://github.com/owner/models/raw/x/roc.png"]


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.04, "0.0 s"), (9.94, "9.9 s"), (59.6, "1 min"), (75, "1 min 15 s"), (7_321, "2 h 2 min")]
)
def test_durations_read_as_people_say_them(seconds: float, text: str) -> None:
    view = a_view(a_run(), stages=(StageLine("train", "done", seconds),))
    assert f"| {text} |" in run_comments.sticky(view)


@pytest.mark.parametrize(
    ("language", "said"), [("en", "epoch, about 1 min 15 s left"), ("ja", "epoch、残り約 1 分 15 秒")]
)
def test_a_running_stage_says_how_much_longer_it_takes(language: str, said: str) -> None:
    stages = (StageLine("train", "running", 20.0, "epoch", 25, 75.0), StageLine("evaluate", "waiting", left=3.0))
    text = run_comments.sticky(a_view(a_run(language=language), stages=stages))
    assert said in text
    assert "3 s" not in text


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("en", ("| trial 12 of 50, about 3 min 10 s left |", "best accuracy 0.9784", "accuracy baseline 0.9614",
                "| Search trials | 50 |", "| Time limit for the search | 20 min |")),
        ("ja", ("| trial 12/50、残り約 3 分 10 秒 |", "best accuracy 0.9784",
                "| 探索の試行数 | 50 |", "| 探索の制限時間 | 20 分 |")),
    ],
)  # fmt: skip
def test_a_search_says_which_trial_it_is_at_what_is_best_and_how_much_longer_it_takes(
    language: str, said: tuple[str, ...]
) -> None:
    text = run_comments.sticky(VIEWS["searching"], language)
    assert all(part in text for part in said)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {},
            ("Tried 50 sets of hyperparameters. 18 were stopped early. Best accuracy on 5 folds of the training rows: 0.9784, "
             "compared with 0.9614 for the settings in the request. Trained with `n_estimators=200`, `max_depth=4`."),
        ),
        (
            {"value": 0.9614, "folds": None, "hyperparameters": {}, "pruned": 0, "stopped_by": "time"},
            ("Tried 32 sets of hyperparameters. The time limit was reached. None did better than the settings in the request: "
             "accuracy 0.9614 on the validation rows. Trained with the default settings."),
        ),
    ],
)  # fmt: skip
def test_the_result_of_a_search_is_shown_with_the_verdict(change: dict[str, Any], said: str) -> None:
    run = VIEWS["searched"].run
    assert run.result is not None
    view = a_view(run.model_copy(update={"result": run.result.model_copy(update={"search": a_search(**change)})}))
    assert f"**Search:** {said}" in run_comments.sticky(view)
    assert "**探索:**" in run_comments.sticky(view, "ja")
    assert "Search:" not in run_comments.sticky(VIEWS["passed"])


# --- answers -----------------------------------------------------------------------------------------------------------


def wrong_arguments(line: str) -> str:
    command = parse_command(line, COMMANDS)
    assert isinstance(command, ParsedCommand)
    return answers.wrong_arguments(command)


def test_the_help_lists_every_command() -> None:
    text = answers.help_text(COMMANDS)
    assert all(f"| `{command.usage}` |" in text for command in COMMANDS.values())


def test_every_wrong_field_gets_its_line() -> None:
    wrong = [
        invalid_field("data", "One of `a`, `b`.", "c", "Did you mean a?"),
        invalid_field("seed", "Between 0 and 9.", "-1", "Correct it."),
    ]
    text = notices.invalid(wrong)
    assert text.startswith("### ⚠️ This request has 2 problems")
    assert "| Data | One of `a`, `b`. | `c` | Did you mean a? |" in text
    assert "| Seed | Between 0 and 9. | `-1` | Correct it. |" in text
    assert "edit this issue" in text


def test_very_many_wrong_fields_are_shown_in_part_and_counted() -> None:
    text = notices.invalid([invalid_field("form", "Rule.", "found", "Next.")] * 100)
    assert text.count("| Form |") == 40
    assert "And 60 more." in text
    assert "100 problems" in text


ANSWERS = {
    "not a form": notices.not_a_form(),
    "request refused": notices.request_refused("read"),
    "refused": answers.refused("approve", "write", "read"),
    "wrong arguments": wrong_arguments("/approve seed=-1"),
    "unknown": answers.unknown_command(UnknownCommand("aprove", "approve")),
    "unlike any": answers.unknown_command(UnknownCommand("dance", None)),
    "help": answers.help_text(COMMANDS),
    "no run": answers.no_run("cancel"),
    "public": notices.public_repository_refused(),
    "not set up": notices.config_broken(ERROR.model_copy(update={"reason": "config_missing"})),
    "configuration": notices.config_broken(ERROR),
    "trouble": notices.internal_trouble("delivery-1"),
    "invalid dispatch": notices.invalid_dispatch("writer", "k", [invalid_field("data", "Rule.", "found", "Next.")]),
    "schedules": notices.schedules_broken(ERROR),
    "no schedules": notices.schedules_broken(ERROR.model_copy(update={"reason": "config_missing"})),
    "invalid data": notices.invalid_data(ERROR, "train-20261122-001"),
    "invalid": notices.invalid([invalid_field("data", "Rule.", "found", "Next.")]),
    "nothing waits": run_comments.not_waiting(VIEWS["training"], "approve"),
    "over": run_comments.not_waiting(VIEWS["passed"], "cancel"),
    "frozen": run_comments.request_frozen(VIEWS["training"]),
    "status": run_comments.status_reply(VIEWS["training"]),
}


@pytest.mark.parametrize("text", ANSWERS.values(), ids=ANSWERS)
def test_every_reply_is_complete_and_names_the_next_step(text: str) -> None:
    reading = read(text)
    assert len(text) > 60
    assert "None" not in text
    assert "{" not in text
    assert set(reading.tags) <= OWN_TAGS
    assert not reading.mentions
    assert re.search(
        r"\*\*Next:|How to fix it|`/help`|for example|For example|Current status: |comment `/cancel`", text
    )


def test_an_issue_opened_by_the_app_contains_the_form_and_no_active_text_by_others() -> None:
    form, hostile = form_body(a_request(notes="@owner <b>")), "@owner <img> `x` <!-- modelyard:asked -->\n### Seed\n\n7"
    for text in (
        notices.request_by_dispatch("writer", hostile, form),
        notices.request_by_schedule(hostile, "0 0 * * *", NOON, form),
    ):
        assert text.endswith(f"\n\n{form}")
        head = read(text.removesuffix(form))
        assert (head.mentions, head.headings) == ([], [])
        assert set(head.tags) <= OWN_TAGS
        assert parse_form(text) == parse_form(form)


def test_a_reply_in_an_unknown_language_is_in_english() -> None:
    assert words.languages() == ["en", "ja"]
    assert answers.help_text(COMMANDS, language="tlh") == answers.help_text(COMMANDS, language="en")
    assert answers.help_text(COMMANDS, language="../en") == answers.help_text(COMMANDS, language="en")


def test_a_repository_that_was_never_set_up_gets_a_notice() -> None:
    assert ANSWERS["not set up"].startswith("### ⚠️ This repository is not set up for Modelyard\n")
    assert ANSWERS["configuration"].startswith("### ⚠️ `.github/modelyard.yml` is invalid\n")


# --- hostile text ------------------------------------------------------------------------------------------------------


SPELLS = [
    "@owner", "@owner/team", "#1", "GH-1", "<script>alert(1)</script>", "<img src=x onerror=y>", "</details>", "<!--",
    "-->", "<!-- modelyard:run-train-20261122-001 -->", "```", "````", "~~~", "`", "``", "|", "| --- |", "\n", "\n\n",
    "\r", "### x", "# ", "- ", "> ", "1. ", "***", "---", "===", "[x](javascript:alert(1))", "![x](http://e.x/y.png)",
    "[x]: http://e.x", "http://e.x", "www.e.x", "\\", "&lt;", "&#64;owner", "&#x60;", "${{ github.token }}", "{{ 7 }}",
    "{% x %}", "\u202e", "\u200b", "\x00", "\ud800", "    ", "\t", "a", " ", "_", "*", "~~", "<", ">", "&", "$x$",
    "/approve",
]  # fmt: skip
HOSTILE = st.lists(st.sampled_from(SPELLS), min_size=1, max_size=12).map("".join) | st.text(max_size=40)


def clean_names(text: str) -> str:
    """Return a text that a Pydantic ``str`` takes."""
    return text.encode("utf-8", "ignore").decode("utf-8")


def hostile_view(text: str, state: State, status: str | None) -> RunView:
    """Put one text everywhere that a person, a runner or a data set can write to."""
    sayable = clean_names(text)
    short = sayable[:40]
    verdict = a_verdict("rejected", explanation=sayable, metric=short)
    request = a_request(
        notes=sayable, data=sayable[:900] or "x", target=short or "x", hyperparameters={"a": sayable, short: 1}
    )
    error = Problem(kind="x", reason="x", rule=sayable, found=sayable, next_step=sayable, field=short)
    run = a_run(
        state,
        status=status,
        request=request,
        requester=short,
        verdicts=(AttemptVerdict(attempt=1, verdict=verdict),),
        result=a_result(
            verdict,
            metrics={short: 1.0, "f1": 0.5},
            search=a_search(metric=short, hyperparameters={"a": sayable, short: 1}, importances={short: 1.0}),
        ),
        error=StageError(stage=short, step=sayable, problem=error, log_tail=text.encode("utf-8", "ignore").decode()),
        decisions=(a_decision("reject", who=short, reason=sayable, overrides={"a": sayable}),),
    )
    stages = (StageLine(text, "running", 1.0, text, 5, None, 1, 20),)
    return a_view(
        run,
        stages=stages,
        progress={text: 1.0},
        ahead=a_run(State.TRAIN_MODEL, requester=sayable[:100]),
        plots=((text, "https://e.x/p.png"),),
    )


def assert_deaf(text: str, *, images: int = 0) -> None:
    """Nothing in the comment is live but what the bot itself put there."""
    reading = read(text)
    assert not reading.mentions
    assert not reading.references
    assert set(reading.tags) <= OWN_TAGS
    assert folded(reading.tags) == 0
    assert "<!--" not in text
    assert all("github.com" in link for link in reading.links)
    assert len(reading.images) == images
    assert len(reading.headings) <= 1


@given(
    HOSTILE,
    st.sampled_from(
        [
            (State.TRAIN_MODEL, None),
            (State.WAIT_FOR_OPERATOR_INPUT, None),
            (State.QUEUED, None),
            (State.END, "rejected"),
            (State.END, "failed"),
        ]
    ),
)
def test_text_by_others_is_inert_in_the_comment(text: str, where: tuple[State, str | None]) -> None:
    view = hostile_view(text, *where)
    sticky = run_comments.sticky(view)
    assert_deaf(sticky, images=1)
    assert "`/help` lists the commands" in sticky.split("\n")[-1]
    for answer in (
        run_comments.status_reply,
        run_comments.finished,
        run_comments.decision_needed,
        run_comments.request_frozen,
    ):
        assert_deaf(answer(view))


@given(HOSTILE)
def test_text_by_others_is_inert_in_a_reply(text: str) -> None:
    sayable = clean_names(text)
    error = Problem(kind="x", reason="x", rule=sayable, found=sayable, next_step=sayable, field=sayable[:100])
    wrong = invalid_field(text, text, text, text)
    for answer in (
        notices.invalid([wrong, wrong]),
        notices.invalid_data(error, text),
        notices.config_broken(error),
        notices.request_refused(text),
        answers.refused(text, [text, text], text),
        answers.not_done(text, error),
        answers.past(text, []),
        answers.unlocked(text, None, NOON),
        answers.registered(text, 1, text),
        answers.operation_result(text, text),
        answers.operation_sent(text, "https://github.com/owner/models/actions/runs/1"),
        answers.compare_sent(text, text, "https://github.com/owner/models/actions/runs/1"),
        answers.unknown_command(UnknownCommand(text, text)),
        answers.no_run(text),
        notices.internal_trouble(text),
        answers.wrong_arguments(ParsedCommand(COMMANDS["approve"], problems=(wrong,))),
        run_comments.not_waiting(VIEWS["training"], text),
    ):
        assert_deaf(answer)


@pytest.mark.parametrize("spell", ["x", "`", "&", "|", "😀", "<", "\n", "```\n", "@a "])
def test_every_comment_fits_the_limit_and_no_table_is_cut(spell: str) -> None:
    def long(length: int) -> str:
        return (spell * length)[:length]

    hyperparameters: dict[str, Any] = {f"p{number}": long(1_000) for number in range(50)}
    verdict = Verdict.model_validate({**dict(a_verdict("rejected")), "explanation": long(2_000)})
    error = Problem(kind="x", reason="x", rule=long(2_000), found=long(2_000), next_step=long(2_000), field=long(200))
    run = a_run(
        State.END,
        status="failed",
        attempt=11,
        request=a_request(notes=long(10_000), hyperparameters=hyperparameters, max_retries=10, data=long(1_000)),
        verdicts=tuple(AttemptVerdict(attempt=number, verdict=verdict) for number in range(1, 12)),
        result=a_result(verdict, attempt=11, metrics={f"m{number}{long(300)}": 1.0 for number in range(100)}),
        error=StageError(stage=long(100), step=long(2_000), problem=error, log_tail=long(100_000)),
        decisions=tuple(a_decision(reason=long(4_000), overrides=hyperparameters) for _ in range(11)),
    )
    stages = tuple(replace(stage, note=long(5_000)) for stage in STAGES)
    plots = tuple((f"{long(100)}{number}", f"https://e.x/{long(3_000)}") for number in range(30))
    text = run_comments.sticky(a_view(run, stages=stages, plots=plots, waiting_until=NOON + timedelta(hours=1)))
    assert len(text) <= markup.MAX_LENGTH < 65_536
    assert "`/help` lists the commands" in text.split("\n")[-1]
    assert min(read(text).tables) >= 2
    assert read(text).tables[-1] >= 10
