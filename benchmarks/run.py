"""The run: round after round, every measurement once, the sides taking turns; in the end the median of each."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any, Protocol

from benchmarks.cases import BackEnd, Case, Filling, Measurement, Side, Size
from benchmarks.places import Places


class SideProcess(Protocol):
    """A side of the comparison."""

    def ask(self, measure: str, **arguments: Any) -> Any:
        """Make a measurement; its figure."""


class Run:
    """Measures the cases on the places, asking the sides."""

    def __init__(self, places: Places, sides: Mapping[Side, SideProcess], size: Size) -> None:
        self._places = places
        self._sides = sides
        self._size = size
        self._filled: dict[tuple[Side, BackEnd, Filling], tuple[str, Any]] = {}

    def measure(self, rows: list[Case], advanced: Callable[[Measurement], None]) -> dict[Measurement, float]:
        """The median figure of every measurement. Sides that are not there are left out."""
        figures: dict[Measurement, list[float]] = defaultdict(list)
        for turn in range(self._size.rounds):
            for measurement in self.plan(rows, backwards=turn % 2 == 1):
                advanced(measurement)
                if measurement.once and turn:
                    continue
                for measured, figure in self._figures(measurement):
                    figures[measured].append(figure)
        return {measurement: statistics.median(values) for measurement, values in figures.items()}

    def plan(self, rows: list[Case], *, backwards: bool = False) -> list[Measurement]:
        """A round: what the rows share is measured once; the side that begins changes from round to round."""
        plan: dict[Measurement, None] = {}
        for row in rows:
            sides = [measurement for measurement in row.measurements() if measurement.side in self._sides]
            plan.update(dict.fromkeys(reversed(sides) if backwards else sides))
        return list(plan)

    def _figures(self, measurement: Measurement) -> Iterator[tuple[Measurement, float]]:
        """Its figure, and that of what is measured beside it."""
        ask, arguments = self._sides[measurement.side].ask, dict(measurement.arguments)
        with ExitStack() as places:
            url = places.enter_context(self._place(measurement))
            if measurement.beside is not None:
                urls = [url, places.enter_context(self._place(measurement.beside))]
                yield from zip(
                    (measurement, measurement.beside), ask(measurement.measure, urls=urls, **arguments), strict=True
                )
                return
            if measurement.measure == "load":
                arguments["account"] = self._fill(measurement)[1]
            yield measurement, float(ask(measurement.measure, url=url, **arguments))

    @contextmanager
    def _place(self, measurement: Measurement) -> Iterator[str]:
        like = None if measurement.place == "fresh" else self._fill(measurement)[0]
        if measurement.place == "filled":
            assert like is not None, "filled, but with nothing"
            yield like
        else:
            with self._places.fresh(measurement.back_end, like) as url:
                yield url

    def _fill(self, measurement: Measurement) -> tuple[str, Any]:
        """The side's filled database and what filling it told; made at first use."""
        filling = measurement.filling or self._bank()
        key = measurement.side, measurement.back_end, filling
        if key not in self._filled:
            url = self._places.create(measurement.back_end)
            filled = self._sides[measurement.side].ask(filling.measure, url=url, **dict(filling.arguments))
            self._filled[key] = url, filled
        return self._filled[key]

    def _bank(self) -> Filling:
        """The bank; told is the id of the long account in it."""
        size = self._size
        return Filling("seed", (("accounts", size.accounts), ("events", size.events), ("long", size.long)))
