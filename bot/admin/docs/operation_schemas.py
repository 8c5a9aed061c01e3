"""The schemas of all operations as one JSON file, which shows in a diff when an interface changes (pure)."""

from __future__ import annotations

import json

from actions.operation import operations

PATH = "tests/actions/operations.json"


def operation_schemas() -> str:
    """Return what every interface shows of each operation, as JSON."""
    described = {
        name: {
            "toolset": operation.toolset,
            "where": operation.where,
            "stage": operation.stage,
            "read_only": operation.read_only,
            "destructive": operation.destructive,
            "idempotent": operation.idempotent,
            "description": operation.help.text,
            "input": operation.input_model.model_json_schema(),
            "output": operation.output_model.model_json_schema(mode="serialization"),
        }
        for name, operation in operations("bot.operations").items()
    }
    return json.dumps(described, indent=2, ensure_ascii=False) + "\n"
