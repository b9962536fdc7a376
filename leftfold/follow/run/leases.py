"""The leases of one owner, a worker or a rebuild: the partitions that it holds, claimed, renewed and released.

A lease only keeps two workers from doing the same work. Fences and compare-and-set keep rows and checkpoints right.
"""

from __future__ import annotations

from collections.abc import Iterable

from leftfold.database.protocol import Connection, Database
from leftfold.follow.checkpoints.partition import Partition, Place
from leftfold.follow.checkpoints.partitions import Partitions


class Leases:
    """Leases in one database. ``places`` are the partitions that `renew` keeps."""

    def __init__(self, database: Database, owner: str, seconds: float) -> None:
        self.owner = owner
        self.seconds = seconds
        self.places: set[Place] = set()
        self._database = database
        self._partitions = Partitions(database)

    async def claim(self, partition: Partition) -> Partition | None:
        """Lease a free partition; None if another owner has been faster."""
        async with self._database.connection() as connection:
            claimed = await self._partitions.claim(connection, partition, self.owner, self.seconds)
        if claimed is not None:
            self.places.add(claimed.place)
        return claimed

    async def renew(self, connection: Connection) -> None:
        """Begin every lease anew. A lease that another owner has taken over meanwhile stays that owner's."""
        for place in list(self.places):
            await self._partitions.renew(connection, place, self.owner, self.seconds)

    async def release(self, partitions: Iterable[Partition]) -> None:
        """Let others claim these partitions at once."""
        async with self._database.connection() as connection:
            for partition in partitions:
                await self._partitions.release(connection, partition, self.owner)
                self.places.discard(partition.place)

    async def release_all(self) -> None:
        """Let others claim everything that the owner holds in the database."""
        self.places.clear()
        async with self._database.connection() as connection:
            await self._partitions.release_all(connection, self.owner)
