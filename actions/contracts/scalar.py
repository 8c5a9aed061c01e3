"""A single value that a person may write: of a hyperparameter, of a setting."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator

from actions.text.masking import masked

Scalar = bool | int | float | Annotated[str, AfterValidator(masked)] | None
