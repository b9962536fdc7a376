"""Moments: aware datetimes in UTC, to the microsecond. A naive datetime is refused, never guessed at."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from leftfold.errors import InvalidArgument

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def as_utc(value: datetime, what: str) -> datetime:
    """``value`` in UTC; ``what`` names it in the error when it is naive or no datetime at all."""
    if not isinstance(value, datetime):
        raise InvalidArgument(f"{what} must be an aware datetime, not {value!r}")
    if value.tzinfo is None or value.utcoffset() is None:
        raise InvalidArgument(
            f"{what} is the naive datetime {value!r}: say which time zone, for example "
            f"datetime({value.year}, {value.month}, {value.day}, tzinfo=UTC)"
        )
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise InvalidArgument(f"{what} lies outside the years 1 to 9999 of UTC: {value!r}") from None


def to_text(value: datetime) -> str:
    """Fixed width, so that text order is time order: ``2026-01-16T00:00:00.000000Z``."""
    return value.astimezone(UTC).isoformat(timespec="microseconds")[:-6] + "Z"


def next_text(text: str) -> str:
    """The next microsecond after one of `to_text`'s."""
    micros = int(text[-7:-1]) + 1
    if micros < 1_000_000:
        return f"{text[:-7]}{micros:06}Z"
    return to_text(datetime.fromisoformat(text) + timedelta(microseconds=1))


def from_stored(value: int | str) -> datetime:
    """A moment as a back end keeps it: microseconds since 1970, or the text of `to_text`."""
    if isinstance(value, int):
        return _EPOCH + timedelta(microseconds=value)
    return datetime.fromisoformat(value)
