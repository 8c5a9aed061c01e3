"""The registry file of a run's model, as a run reads it: people may have edited it."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from actions.errors import InvalidInput
from bot.engine.effects import registry
from tests.support.runs import a_run


async def a_branch(_: Any) -> str:
    return "main"


async def in_another_encoding(*_: Any) -> bytes:
    return "name: breast-cancer".encode("utf-16")


@pytest.mark.parametrize("read", [registry.champion, registry.withdraw])
def test_an_error_about_a_registry_file_in_another_encoding_names_its_path(read: Any) -> None:
    context = SimpleNamespace(repository=SimpleNamespace(file=in_another_encoding), history_branch=a_branch)
    run = a_run()
    with pytest.raises(InvalidInput, match=f"training_history/models/{run.model}.yaml"):
        asyncio.run(read(context, run))
