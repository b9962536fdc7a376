"""Pages: how many events to ask for at once, so that ten million need no more memory than ten thousand."""

from __future__ import annotations

from collections.abc import Sequence

from leftfold.events import RecordedEvent

PAGE_EVENTS = 5_000
PAGE_BYTES = 8 * 2**20
FIRST_PAGE = 1_000


class PageSize:
    """Grows to ``most`` events, shrinks so that a page stays near `PAGE_BYTES`, and counts down from ``limit``."""

    def __init__(self, limit: int | None = None, *, most: int = PAGE_EVENTS, first: int = FIRST_PAGE) -> None:
        self._left = limit
        self._most = most
        self._size = min(first, most)

    @property
    def next(self) -> int:
        """How many to ask for now; 0 when the limit is used up."""
        return self._size if self._left is None else min(self._size, self._left)

    def note(self, page: Sequence[RecordedEvent]) -> None:
        """Learn from the sizes of a page's events."""
        if not page:
            return
        if self._left is not None:
            self._left -= len(page)
        average = sum(len(recorded.data) for recorded in page) / len(page) + 1
        self._size = max(1, min(self._most, self._size * 4, int(PAGE_BYTES / average)))

    def took(self, events: int, seconds: float, at_most: float) -> None:
        """Learn how long a page took to work off: the next page is to take ``at_most`` so long."""
        if events and seconds > at_most:
            self._size = max(1, min(self._size, int(events * at_most / seconds)))
