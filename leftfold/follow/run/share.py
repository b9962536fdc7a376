"""Who works at what: a pure decision of each worker for itself, from what the database says of all.

Nobody assigns anything. Each worker claims what is free up to its fair share, gives up what exceeds it, and splits what
it holds when there are more workers than parts. Claims are decided by the database, so two who decide alike do no harm.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from leftfold.follow.checkpoints.partition import Partition
from leftfold.log.buckets import BUCKETS


@dataclass(frozen=True, slots=True)
class Moves:
    """What a worker is to do now."""

    claim: tuple[Partition, ...] = ()
    release: tuple[Partition, ...] = ()
    split: tuple[Partition, ...] = ()
    merge: tuple[tuple[Partition, Partition], ...] = ()


def decide(
    me: str,
    partitions: Iterable[Partition],
    workers: Mapping[str, Iterable[str]],
    parted: Iterable[str],
    spare: Iterable[Partition] = (),
) -> Moves:
    """``workers`` are those alive and the projections that each runs, ``parted`` the projections that can be split.

    ``spare`` were free at the last look already: nobody else wants them, so they are claimed beyond the fair share.
    """
    mine_to_serve, may_be_parted = set(workers.get(me, ())), set(parted)
    known = [one for one in partitions if one.name in mine_to_serve]
    serving = Counter(name for names in workers.values() for name in set(names))
    held = [one for one in known if one.leased and one.owner == me]
    free = [one for one in known if not one.leased]
    by_name = Counter(one.name for one in known)

    share = _share(known, serving)
    left_over = {one.place for one in spare}
    claim = [one for number, one in enumerate(free) if len(held) + number < share or one.place in left_over]

    split, merge = [], []
    for name in may_be_parted & set(by_name):
        wanted = _parts(serving[name])
        of_mine = sorted((one for one in held if one.name == name), key=lambda one: one.first)
        if by_name[name] < wanted:
            largest = max(of_mine, key=lambda one: one.last - one.first, default=None)
            if largest is not None and largest.last > largest.first:
                split.append(largest)
        elif by_name[name] > wanted:
            merge += _mergeable(of_mine)[:1]
    release = _surplus(held, share, split, by_name, serving)
    return Moves(tuple(claim), tuple(release), tuple(split), tuple(merge))


def to_help(me: str, shadows: Iterable[Partition], head: int) -> Partition | None:
    """The part of a rebuild to take up next: whoever has none that is behind takes the one that is furthest behind."""
    behind = [one for one in shadows if one.position < head and one.failure is None]
    if any(one.leased and one.owner == me for one in behind):
        return None
    return min((one for one in behind if not one.leased), key=lambda one: one.position, default=None)


def _share(known: Sequence[Partition], serving: Mapping[str, int]) -> int:
    """How many parts are this worker's, rounded up."""
    exact = sum(1 / max(1, serving.get(one.name, 1)) for one in known)
    return int(exact) + (exact - int(exact) > 1e-9)


def _parts(workers: int) -> int:
    """The least power of two that gives each worker one."""
    return min(BUCKETS, 1 << max(0, workers - 1).bit_length())


def _mergeable(parts: Sequence[Partition]) -> list[tuple[Partition, Partition]]:
    """Neighbours that were halves of one, and stand at the same position, with nothing wrong."""
    return [
        (left, right)
        for left, right in pairwise(parts)
        if left.last + 1 == right.first
        and left.last - left.first == right.last - right.first
        and left.first % (2 * (left.last - left.first + 1)) == 0
        and left.position == right.position
        and left.failure is None
        and right.failure is None
    ]


def _surplus(
    held: Sequence[Partition],
    share: int,
    split: Sequence[Partition],
    by_name: Mapping[str, int],
    serving: Mapping[str, int],
) -> list[Partition]:
    """What is too much, first of those projections of which this worker has more than its share."""
    too_many = len(held) - share
    if too_many <= 0 or split:
        return []
    counts = Counter(one.name for one in held)
    order = sorted(held, key=lambda one: counts[one.name] * serving.get(one.name, 1) / by_name[one.name], reverse=True)
    return [one for one in order if serving.get(one.name, 1) > 1][:too_many]
