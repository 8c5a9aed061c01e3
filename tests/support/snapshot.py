"""The operations' public face as one JSON file: ``python -m tests.support.snapshot`` writes it anew."""

from __future__ import annotations

import json
from pathlib import Path

from actions.operation import operations

SNAPSHOT = Path(__file__).parents[1] / "actions" / "operations.json"


def face() -> str:
    """Return what every door shows of each operation, as JSON."""
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


if __name__ == "__main__":
    SNAPSHOT.write_text(face(), encoding="utf-8")
