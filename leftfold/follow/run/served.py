"""One processor as a worker sees it: which of its generations this worker may apply now, or why it may not."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from time import monotonic

from leftfold.checkpoint import EpochChanged
from leftfold.errors import ProcessorOutdated
from leftfold.follow.checkpoints.generation import Generation
from leftfold.follow.checkpoints.partition import Partition
from leftfold.follow.processor import Installation
from leftfold.follow.run.applier import Applier
from leftfold.follow.run.run import ProcessorRun

_DIVERGED_SECONDS = 30.0
"""How long a processor rests whose log has lost events that were applied."""
logger = logging.getLogger("leftfold")


class ServedProcessor:
    """``live`` and ``shadow`` are the generations that the worker may apply; ``refusal`` says why there is no live one.

    A processor can be refused and yet help to build a shadow: its code is newer than the live generation.
    """

    def __init__(self, installation: Installation, run: ProcessorRun) -> None:
        self.name = installation.processor.name
        self.can_be_split = installation.processor.can_be_split
        self.live: Generation | None = None
        self.shadow: Generation | None = None
        self.refusal: str | None = None
        self.is_known = False
        self._installation = installation
        self._run = run
        self._diverged_at: float | None = None

    @property
    def has_diverged(self) -> bool:
        """Whether the log was found lately not to be the one that was followed."""
        return self._diverged_at is not None and monotonic() - self._diverged_at < _DIVERGED_SECONDS

    async def find_live(self) -> None:
        """Look for the live generation. Appends maintain an inline one, and a paused one rests."""
        if self.has_diverged:
            return
        try:
            live = await self._run.ready()
        except (ProcessorOutdated, EpochChanged) as error:
            self._refuse(error)
        else:
            self.live = None if live.mode == "inline" or live.paused is not None else live
            self.refusal, self.is_known = None, True

    def find_shadow(self, generations: Iterable[Generation]) -> None:
        """Look for a shadow that this code may build."""
        self.shadow = None
        for generation in () if self.has_diverged else generations:
            if generation.name == self.name and self._installation.fits(generation):
                self.shadow = generation

    def diverge(self, error: EpochChanged) -> None:
        """Let it rest: the log has lost events that were applied."""
        self._diverged_at = monotonic()
        self._refuse(error)

    def applier(self, partition: Partition) -> Applier:
        """The applier of a partition of the live generation or of the shadow."""
        generation = self.shadow if partition.role == "shadow" else self.live
        assert generation is not None, "partitions of other generations are neither claimed nor held"
        return self._run.applier(generation, partition)

    def _refuse(self, error: Exception) -> None:
        if self.refusal != str(error):
            logger.warning("processor %r is not run here: %s", self.name, error)
        self.live, self.refusal, self.is_known = None, str(error), True
