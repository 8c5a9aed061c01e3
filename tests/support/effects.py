"""The effects of a run's states, recorded instead of carried out."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from types import ModuleType, SimpleNamespace
from typing import Any, TypeVar

import pytest

from bot.runs.run import Run

_NAMES = (
    "channels",
    "comment",
    "conclusion",
    "configuration",
    "history",
    "model_lock",
    "publication",
    "registry",
    "storage",
    "workflow",
)
_T = TypeVar("_T")


class Effects:
    """Records the effects that modules call, in order, and answers as a test has set.

    Parameters
    ----------
    monkeypatch
        Puts the effects back at the end of the test.
    modules
        The modules that import effects.

    Attributes
    ----------
    calls
        The names of the effects, such as ``comment.show``.
    arguments
        The last arguments of each effect besides context and run: those with names, or else those without.
    answers
        What each effect answers, raises, or computes from the run; None by default.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *modules: ModuleType) -> None:
        self.calls: list[str] = []
        self.arguments: dict[str, Any] = {}
        self.answers: dict[str, Any] = {}
        for module in modules:
            for name in _NAMES:
                if hasattr(module, name):
                    monkeypatch.setattr(module, name, _Module(self, name))

    def effect(self, name: str) -> Callable[..., Any]:
        """Return the recording function of an effect."""

        async def effect(_: Any, run: Any, *positional: Any, **named: Any) -> Any:
            return self._answer(name, run, positional, named)

        def at_once(run: Any, *positional: Any) -> Any:
            return self._answer(name, run, positional, {})

        return at_once if name == "channels.give_up" else effect

    def _answer(self, name: str, run: Any, positional: Any, named: Any) -> Any:
        self.calls.append(name)
        self.arguments[name] = named or positional
        answer = self.answers.get(name)
        if isinstance(answer, Exception):
            raise answer
        return answer(run) if callable(answer) else answer


class _Module:
    def __init__(self, effects: Effects, name: str) -> None:
        self._effects, self._name = effects, name

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return self._effects.effect(f"{self._name}.{name}")


def in_context(
    work: Callable[..., Awaitable[_T]], run: Run, *arguments: Any, now: datetime, stretch: float = 1.0
) -> _T:
    """Do a state's work with the time alone; the state has been entered at ``run.entered``."""
    context = SimpleNamespace(
        now=lambda: now, stayed=lambda run: now - run.entered, scaled=lambda limit: limit * stretch
    )

    async def awaited() -> _T:
        return await work(context, run, *arguments)

    return asyncio.run(awaited())
