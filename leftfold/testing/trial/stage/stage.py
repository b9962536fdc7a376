"""A round under way: its workers, the proxies in front of them, and what was done to them."""

from __future__ import annotations

import random
import threading
import time
from pathlib import Path

from leftfold.testing.proxy import CuttingProxy
from leftfold.testing.trial.record.history import Journal
from leftfold.testing.trial.record.records import Follower, Incident
from leftfold.testing.trial.stage.hands import Hand
from leftfold.testing.trial.stage.places import Place, through
from leftfold.testing.trial.stage.plan import Scale, plan_followers
from leftfold.testing.trial.workload.worker import Setting


class Stage:
    """What faults act upon."""

    def __init__(self, place: Place, url: str, directory: Path, seed: str, scale: Scale, mutant: str | None) -> None:
        self.place = place
        self.url = url
        self.directory = directory
        self.scale = scale
        self.incidents = Journal(directory / "incidents.jsonl")
        self.own_calls = Journal(directory / "worker-trial.jsonl")
        """What the trial itself appends."""
        self.server_turn = threading.Lock()
        self.troubles: list[str] = []
        """What kept the trial itself from doing what it meant to."""
        self.hands = [Hand(slot, self._setting(slot, seed, mutant)) for slot in range(1, scale.workers + 1)]
        self.proxies: dict[int, CuttingProxy] = {}

    def _setting(self, slot: int, seed: str, mutant: str | None) -> Setting:
        return Setting(
            url="",
            directory=str(self.directory),
            name="",
            seed=seed,
            callers=self.scale.callers,
            followers=plan_followers(slot, self.scale.followers),
            mutant=mutant,
            disk="disk full" in self.place.kinds,
        )

    @property
    def followers(self) -> list[Follower]:
        """All of them, with nothing seen yet."""
        slots = range(1, self.scale.workers + 1)
        return [
            Follower(follower.name, follower.query)
            for slot in slots
            for follower in plan_followers(slot, self.scale.followers)
        ]

    def start(self, hand: Hand) -> None:
        """A new process, with a new proxy before the store."""
        proxy = self.place.proxy(self.url)
        if proxy is not None:
            self.proxies[hand.slot] = proxy
        hand.start(through(proxy, self.url))

    def any_hand(self, chance: random.Random) -> Hand:
        return chance.choice(self.hands)

    def any_proxy(self, chance: random.Random) -> CuttingProxy | None:
        proxies = [proxy for _, proxy in sorted(self.proxies.items())]
        return chance.choice(proxies) if proxies else None

    def note(self, kind: str, target: str, at: int) -> None:
        """Write down what happened from a moment until now."""
        self.incidents.write(Incident(at, time.monotonic_ns(), kind, target))

    def close(self) -> None:
        """End all processes and proxies."""
        for hand in self.hands:
            hand.close()
        for proxy in self.proxies.values():
            proxy.close()
        self.incidents.close()
        self.own_calls.close()
