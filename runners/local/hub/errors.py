"""Errors in GitHub's words: ``{message, documentation_url, status, errors}``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

DOCUMENTATION = "https://docs.github.com/rest"
FIELD = Mapping[str, Any]


class ApiError(Exception):
    """The request is refused with an HTTP status and GitHub's error body."""

    def __init__(self, status: int, message: str, *, errors: Sequence[FIELD | str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.errors = list(errors) if errors is not None else None

    def body(self) -> dict[str, Any]:
        """Return the JSON body."""
        errors = {"errors": self.errors} if self.errors is not None else {}
        return {"message": self.message, **errors, "documentation_url": DOCUMENTATION, "status": str(self.status)}


def bad_credentials() -> ApiError:
    """The credentials are not valid here."""
    return ApiError(401, "Bad credentials")


def suspended() -> ApiError:
    """The account's owner has suspended the App."""
    return ApiError(403, "This installation has been suspended")


def not_found() -> ApiError:
    """There is no such thing, or the caller may not know about it."""
    return ApiError(404, "Not Found")


def not_accessible(actor_kind: str) -> ApiError:
    """The caller may see this but not do it."""
    by = "personal access token" if actor_kind == "person" else "integration"
    return ApiError(403, f"Resource not accessible by {by}")


def invalid_request(detail: str) -> ApiError:
    """The body has the wrong shape."""
    return ApiError(422, f"Invalid request.\n\n{detail}")


def validation_failed(resource: str, field: str, code: str = "invalid", message: str | None = None) -> ApiError:
    """A field of the body has an invalid value."""
    detail = {"resource": resource, "field": field, "code": code}
    return ApiError(422, "Validation Failed", errors=[{**detail, "message": message} if message else detail])
