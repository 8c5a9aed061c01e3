"""What can be known of an expression before a workflow runs."""

from __future__ import annotations

from typing import Any

import pytest

from runners.local.act.expressions import UnknownExpression, as_text, evaluate, fill

CONTEXTS = {
    "inputs": {"run": "train-20261122-001", "labels": '["self-hosted","gpu"]', "minutes": "90", "no": ""},
    "github": {"actor": "writer"},
}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("plain", "plain"),
        ("${{ inputs.run }} attempt ${{ inputs.minutes }}", "train-20261122-001 attempt 90"),
        ("${{ fromJSON(inputs.labels) }}", ["self-hosted", "gpu"]),
        ("${{ fromJSON(inputs.minutes) }}", 90),
        ("by ${{ github.actor }}", "by writer"),
        ("${{ inputs.missing }}x", "x"),
        ("${{ inputs.no || 'other' }}", "other"),
        ("${{ inputs.run && 'yes' || 'no' }}", "yes"),
        ("${{ !inputs.no }}", True),
        ("${{ inputs.run == 'TRAIN-20261122-001' }}", True),
        ("${{ inputs.run != 'x' && (1 == 2 || true) }}", True),
        ("${{ format('{0} of {1}', inputs.run, 2) }}", "train-20261122-001 of 2"),
        ("${{ 'it''s' }}", "it's"),
        ("${{ null }}", None),
    ],
)
def test_literals_contexts_and_a_few_functions_are_filled_in(text: str, value: Any) -> None:
    assert fill(text, CONTEXTS) == value


@pytest.mark.parametrize(
    "text",
    [
        "${{ needs.train.result }}", "${{ hashFiles('x') }}", "${{ inputs.run }", "${{ inputs.run inputs.run }}",
        "${{ }}", "${{ (inputs.run }}", "${{ fromJSON(inputs.run) }}", "${{ 'open }}", "${{ inputs.a[0] }}",
    ],
)  # fmt: skip
def test_what_cannot_be_known_is_said_to_be_unknown(text: str) -> None:
    if "}}" not in text:
        assert fill(text, CONTEXTS) == text
        return
    with pytest.raises(UnknownExpression):
        fill(text, CONTEXTS)


def test_text_that_an_input_brings_is_never_evaluated() -> None:
    hostile = {"inputs": {"run": "${{ github.actor }}"}, "github": {"actor": "writer"}}
    assert fill("run ${{ inputs.run }}", hostile) == "run ${{ github.actor }}"


def test_a_very_long_expression_is_refused() -> None:
    with pytest.raises(UnknownExpression):
        evaluate("!" * 20_000 + "true", CONTEXTS)


def test_values_are_written_as_github_writes_them() -> None:
    assert [as_text(value) for value in (None, True, False, 2.0, 2.5, [1], "x")] == [
        "", "true", "false", "2", "2.5", "[1]", "x",
    ]  # fmt: skip
