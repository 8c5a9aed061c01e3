"""A single value that a person may write: of a hyperparameter, of a setting."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from actions.text.masking import masked

Scalar = bool | int | Annotated[float, Field(allow_inf_nan=False)] | Annotated[str, AfterValidator(masked)] | None
