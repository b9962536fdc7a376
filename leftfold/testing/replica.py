"""A streaming replica to throw away: a hot standby of a `ThrowawayPostgres`, which can be held back and promoted."""

from __future__ import annotations

import subprocess

from leftfold.errors import StoreUnavailable
from leftfold.testing.postgres import ThrowawayPostgres, run_statement


class ThrowawayReplica(ThrowawayPostgres):
    """``with ThrowawayPostgres() as primary, ThrowawayReplica(primary) as replica: replica.url("bank")``.

    It follows the primary by streaming replication. It can be stopped, killed and started like any throwaway server,
    and it survives the primary. `StoreUnavailable` with the programs' own words if it cannot be made.
    """

    def __init__(self, primary: ThrowawayPostgres, **settings: object) -> None:
        super().__init__(**settings)
        self._primary = primary

    def pause_replay(self) -> None:
        """Receive what the primary writes, and show none of it, until `resume_replay`."""
        run_statement(self.url(), "SELECT pg_wal_replay_pause()")

    def resume_replay(self) -> None:
        """Show what was received meanwhile, and follow on."""
        run_statement(self.url(), "SELECT pg_wal_replay_resume()")

    def promote(self) -> None:
        """Make it a primary of its own, on a timeline of its own; returns when it takes writes."""
        run_statement(self.url(), "SELECT pg_promote(wait => true)")

    def _make_files(self) -> None:
        command = [
            self.bin / "pg_basebackup", "--pgdata", self._data, "--dbname", self._primary.url(),
            "--write-recovery-conf", "--wal-method=stream", "--checkpoint=fast", "--no-sync",
        ]  # fmt: skip
        made = subprocess.run(command, user=self._user, cwd=self._data.parent, capture_output=True, text=True)
        if made.returncode:
            raise StoreUnavailable(
                f"pg_basebackup failed with exit code {made.returncode}:\n{made.stdout}{made.stderr}"
            )
