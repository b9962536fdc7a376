"""How workers share partitions: a pure decision of each worker for itself, from what the database says of all.

There is no coordinator. A worker claims free partitions up to its fair share, and releases what exceeds it. It splits
a partition that it holds when there are more workers than partitions. The database decides claims, so two workers that
decide alike do no harm.
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
    """What a worker is to do now, in this order: release, claim, split, merge."""

    claim: tuple[Partition, ...] = ()
    release: tuple[Partition, ...] = ()
    split: tuple[Partition, ...] = ()
    merge: tuple[tuple[Partition, Partition], ...] = ()


def decide(
    me: str,
    partitions: Iterable[Partition],
    workers: Mapping[str, Iterable[str]],
    splittable: Iterable[str],
    spare: Iterable[Partition] = (),
) -> Moves:
    """``workers`` are those alive, each with the processors that it runs; ``splittable`` are names of processors.

    ``spare`` were free at the last look already: no other worker wants them, so they are claimed beyond the fair share.
    """
    runs_here = set(workers.get(me, ()))
    known = [partition for partition in partitions if partition.name in runs_here]
    serving = Counter(name for names in workers.values() for name in set(names))
    held = [partition for partition in known if partition.leased and partition.owner == me]
    free = [partition for partition in known if not partition.leased]
    by_name = Counter(partition.name for partition in known)

    share = _share(known, serving)
    left_over = {partition.place for partition in spare}
    claim = [
        partition for number, partition in enumerate(free) if len(held) + number < share or partition.place in left_over
    ]

    split, merge = [], []
    for name in set(splittable) & set(by_name):
        wanted = _wanted(serving[name])
        mine = sorted(
            (partition for partition in held if partition.name == name), key=lambda partition: partition.first
        )
        if by_name[name] < wanted:
            largest = max(mine, key=lambda partition: partition.last - partition.first, default=None)
            if largest is not None and largest.last > largest.first:
                split.append(largest)
        elif by_name[name] > wanted:
            merge += _mergeable(mine)[:1]
    release = _surplus(held, share, split, by_name, serving)
    return Moves(tuple(claim), tuple(release), tuple(split), tuple(merge))


def to_help(me: str, shadows: Iterable[Partition], head: int) -> Partition | None:
    """The partition of a rebuild to help with: the furthest behind, if this worker is not at another one already."""
    behind = [partition for partition in shadows if partition.position < head and partition.failure is None]
    if any(partition.leased and partition.owner == me for partition in behind):
        return None
    free = (partition for partition in behind if not partition.leased)
    return min(free, key=lambda partition: partition.position, default=None)


def _share(known: Sequence[Partition], serving: Mapping[str, int]) -> int:
    """How many partitions are this worker's, rounded up."""
    exact = sum(1 / max(1, serving.get(partition.name, 1)) for partition in known)
    return int(exact) + (exact - int(exact) > 1e-9)


def _wanted(workers: int) -> int:
    """The least power of two that gives each worker a partition."""
    return min(BUCKETS, 1 << max(0, workers - 1).bit_length())


def _mergeable(partitions: Sequence[Partition]) -> list[tuple[Partition, Partition]]:
    """Neighbours that were halves of the same partition, at the same position, and without a failure."""
    return [
        (left, right)
        for left, right in pairwise(partitions)
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
    """What exceeds the share, first of those processors of which this worker has most in proportion."""
    too_many = len(held) - share
    if too_many <= 0 or split:
        return []
    counts = Counter(partition.name for partition in held)

    def excess(partition: Partition) -> float:
        return counts[partition.name] * serving.get(partition.name, 1) / by_name[partition.name]

    order = sorted(held, key=excess, reverse=True)
    return [partition for partition in order if serving.get(partition.name, 1) > 1][:too_many]
