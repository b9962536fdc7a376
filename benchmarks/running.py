"""The run: round after round, every measurement once, the sides taking turns; in the end each one's median."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from benchmarks.cases import BackEnd, Case, Measurement, Side, Size
from benchmarks.places import Places


class Asked(Protocol):
    """A side of the comparison."""

    def ask(self, measure: str, **arguments: Any) -> Any:
        """Make a measurement; its figure."""


class Run:
    """Measures the cases on the places, asking the sides."""

    def __init__(self, places: Places, sides: Mapping[Side, Asked], size: Size) -> None:
        self._places = places
        self._sides = sides
        self._size = size
        self._filled: dict[tuple[Side, BackEnd], tuple[str, str]] = {}

    def measure(self, rows: list[Case], advanced: Callable[[Measurement], None]) -> dict[Measurement, float]:
        """The median figure of every measurement. Sides that are not there are left out."""
        figures: dict[Measurement, list[float]] = defaultdict(list)
        for turn in range(self._size.rounds):
            for one in self.plan(rows, backwards=turn % 2 == 1):
                advanced(one)
                figures[one].append(self._figure(one))
        return {one: statistics.median(values) for one, values in figures.items()}

    def plan(self, rows: list[Case], *, backwards: bool = False) -> list[Measurement]:
        """One round: what the rows share is measured once; who begins changes from round to round."""
        plan: dict[Measurement, None] = {}
        for row in rows:
            sides = [one for one in row.measurements() if one.side in self._sides]
            plan.update(dict.fromkeys(reversed(sides) if backwards else sides))
        return list(plan)

    def _figure(self, one: Measurement) -> float:
        side, arguments = self._sides[one.side], dict(one.arguments)
        like = None
        if one.place != "fresh":
            like, long = self._fill(one.side, one.back_end)
            if one.measure == "load":
                arguments["account"] = long
        if one.place == "filled":
            return float(side.ask(one.measure, url=like, **arguments))
        with self._places.fresh(one.back_end, like) as url:
            return float(side.ask(one.measure, url=url, **arguments))

    def _fill(self, side: Side, back_end: BackEnd) -> tuple[str, str]:
        """The side's filled database and the id of the long account in it; made at first use."""
        if (side, back_end) not in self._filled:
            url = self._places.create(back_end)
            size = self._size
            account = self._sides[side].ask("seed", url=url, accounts=size.accounts, events=size.events, long=size.long)
            self._filled[side, back_end] = url, account
        return self._filled[side, back_end]
