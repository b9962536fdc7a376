"""Who holds followers back: transactions that have appended and not ended, and the processes that they belong to.

An append takes milliseconds, so only a transaction of a user's that stays open, or one that was prepared and forgotten,
lasts. On SQLite nothing is held back: others cannot even write meanwhile.
"""

from __future__ import annotations

from dataclasses import dataclass

from leftfold.database.statements import statement
from leftfold.log.contract import Log
from leftfold.ops.doctor.finding import Finding

SUSPICIOUS_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Holder:
    """One such transaction. ``pid`` is the server's process; a prepared transaction has a name, ``gid``, instead.

    What the server does not tell this user of other users' sessions is None; ``seconds`` since it began.
    """

    pid: int | None
    gid: str | None
    seconds: float | None
    user: str | None
    application: str | None
    state: str | None

    @property
    def lasts(self) -> bool:
        """Whether it is older than an append that is simply under way."""
        return self.seconds is None or self.seconds >= SUSPICIOUS_SECONDS

    def __str__(self) -> str:
        who = f"prepared transaction {self.gid!r}" if self.pid is None else f"process {self.pid}"
        known = ", ".join(told for told in (self.user, self.application, self.state) if told)
        age = "since an unknown time" if self.seconds is None else f"for {self.seconds:,.0f} s"
        return f"{who}{f' ({known})' if known else ''} has appended in a transaction that is open {age}"

    @property
    def remedy(self) -> str:
        """How to end it."""
        if self.pid is None:
            return f"COMMIT PREPARED or ROLLBACK PREPARED '{self.gid}'"
        return f"commit it or roll it back; by force: SELECT pg_terminate_backend({self.pid})"


async def holders(log: Log) -> list[Holder]:
    """The longest first; none on SQLite."""
    if log.database.dialect == "sqlite":
        return []
    sql = statement("leftfold.ops.doctor.postgresql", "holders", str(log.database.schema))
    async with log.database.connection() as connection:
        return [Holder(*row) for row in await connection.execute(sql)]


def judge_holders(found: list[Holder]) -> list[Finding]:
    """Whether followers wait for a transaction that has appended and does not end."""
    lasting = [holder for holder in found if holder.lasts]
    if not lasting:
        return [Finding("fine", "followers", "no open transaction holds them back")]
    return [Finding("warning", "followers", f"held back: {holder}", holder.remedy) for holder in lasting]
