"""Formats numbers, durations and moments for people, in a language; unknown languages fall back to English."""

from __future__ import annotations

from datetime import UTC, datetime

_SMALL, _LARGE = 0.001, 10_000  # between these, numbers have four decimals
_SHORT, _LONG = 10, 10**9  # seconds: below the first with a decimal; the second is the maximum
_UNITS = {"ja": ("時間", "分", "秒")}
_NONE = {"ja": "なし"}


def figure(value: float | None, language: str = "en") -> str:
    """Format a metric's value with four decimals, or with four significant digits if it is very small or large.

    >>> figure(0.91234), figure(0.00001234), figure(None), figure(None, "ja")
    ('0.9123', '1.234e-05', 'none', 'なし')
    """
    if value is None:
        return _NONE.get(language, "none")
    is_usual = value == 0 or _SMALL <= abs(value) < _LARGE
    return f"{value:.4f}" if is_usual else f"{value:.4g}"


def short(value: float) -> str:
    """Format a threshold the way a person writes it, without trailing zeros.

    >>> short(0.95), short(10.0)
    ('0.95', '10')
    """
    return f"{value:.10g}"


def duration(seconds: float | None, language: str = "en") -> str:
    """Format a duration; return an empty text for None.

    >>> duration(75), duration(75, "ja"), duration(9.94), duration(7_321, "ja")
    ('1 min 15 s', '1 分 15 秒', '9.9 s', '2 時間 2 分')
    """
    if seconds is None:
        return ""
    units = _UNITS.get(language, ("h", "min", "s"))
    if seconds < _SHORT:
        return f"{max(seconds, 0):.1f} {units[-1]}"
    minutes, rest = divmod(round(min(seconds, _LONG)), 60)
    hours, minutes = divmod(minutes, 60)
    parts = [f"{number} {unit}" for number, unit in zip((hours, minutes, rest), units, strict=True) if number]
    return " ".join(parts[:2])


def moment(when: datetime, language: str = "en") -> str:
    """Format a moment in UTC.

    >>> moment(datetime(2026, 11, 23, 12, tzinfo=UTC)), moment(datetime(2026, 11, 23, 12, tzinfo=UTC), "ja")
    ('23 Nov 2026, 12:00 UTC', '2026年11月23日 12:00 UTC')
    """
    in_utc = when.astimezone(UTC)
    if language == "ja":
        return f"{in_utc.year}年{in_utc.month}月{in_utc.day}日 {in_utc:%H:%M} UTC"
    return f"{in_utc.day} {in_utc:%b %Y, %H:%M} UTC"
