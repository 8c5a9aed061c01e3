"""The features that can be requested: the one declaration behind the request, the form and the operation."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

DatePart = Literal[
    "year", "quarter", "month", "week", "day", "day_of_year", "weekday", "hour", "minute", "days_since_1970",
    "month_sin", "month_cos", "weekday_sin", "weekday_cos", "hour_sin", "hour_cos",
]  # fmt: skip
Selection = Literal["mutual_information", "variance"]
Degree = Annotated[int, Field(ge=2, le=4)]
Bins = Annotated[int, Field(ge=2, le=100)]
Keep = Annotated[int, Field(ge=1, le=100_000)]
Variance = Annotated[float, Field(ge=0, allow_inf_nan=False)]


def _listed(value: object) -> object:
    """Read a single name as a list of one."""
    return (value,) if isinstance(value, str) else value


ColumnName = Annotated[str, StringConstraints(min_length=1, max_length=1_000)]
Columns = Annotated[tuple[ColumnName, ...], BeforeValidator(_listed)]


class RequestedFeatures(BaseModel):
    """Features to compute from raw columns, in addition to what each column gives by itself."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    polynomial: Columns = ()
    degree: Degree = 2
    interactions: Columns = ()
    bins: dict[ColumnName, Bins] = Field(default_factory=dict)
    date_parts: Annotated[tuple[DatePart, ...], BeforeValidator(_listed)] = ()
    target_encoding: Columns = ()
    frequency_encoding: Columns = ()
    selection: Selection | None = None
    keep: Keep = 20
    minimum_variance: Variance = 0.0

    @property
    def columns(self) -> dict[str, tuple[str, ...]]:
        """The raw columns by the feature that names them."""
        return {
            "polynomial": self.polynomial,
            "interactions": self.interactions,
            "bins": tuple(self.bins),
            "target_encoding": self.target_encoding,
            "frequency_encoding": self.frequency_encoding,
        }

    def __bool__(self) -> bool:
        return self != type(self)()
