"""Who did something: an account on GitHub, known by its id."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Person(BaseModel):
    """An account on GitHub. Its login is for display: it can change, and another account can take the old one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    login: str = Field(max_length=100)
    id: int = Field(default=0, ge=0, description="GitHub's id; 0 if unknown")

    @model_validator(mode="before")
    @classmethod
    def _from_login(cls, value: Any) -> Any:
        """Accept a login alone: its id is unknown."""
        return {"login": value} if isinstance(value, str) else value

    def is_same(self, other: Person) -> bool:
        """Return whether both are the same account: by their ids, or by their logins if an id is unknown.

        >>> Person(login="ada", id=7).is_same(Person(login="renamed", id=7))
        True
        >>> Person(login="ada", id=7).is_same(Person(login="ada", id=8))
        False
        >>> Person(login="ada", id=7).is_same(Person(login="Ada"))
        True
        """
        if self.id and other.id:
            return self.id == other.id
        return self.login.lower() == other.login.lower()

    def is_among(self, people: Iterable[Person]) -> bool:
        """Return whether one of these people is the same account."""
        return any(self.is_same(other) for other in people)


def distinct(people: Iterable[Person]) -> tuple[Person, ...]:
    """Return each account once, in order."""
    found: list[Person] = []
    for person in people:
        if not person.is_among(found):
            found.append(person)
    return tuple(found)


def logins(people: Iterable[Person]) -> str:
    """Return the logins for display, separated by commas."""
    return ", ".join(person.login for person in people)
