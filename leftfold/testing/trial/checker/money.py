"""A rule that needs no history: money moves between accounts, and there is always the same amount of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import msgspec

from leftfold.testing.trial.checker.evidence import Evidence, Violation
from leftfold.testing.trial.record.facts import Moved, Opened


def check_money(evidence: Evidence) -> Iterator[Violation]:
    """No account was ever overdrawn, since each was judged at its version; no transfer is half there."""
    transfers: dict[str, list[int]] = defaultdict(list)
    for indices in evidence.streams.values():
        balance, overdrawn = 0, False
        for index in indices:
            stored = evidence.log[index]
            if stored.type == "trial.opened":
                balance += msgspec.json.decode(stored.data, type=Opened).amount
            elif stored.type == "trial.moved":
                moved = msgspec.json.decode(stored.data, type=Moved)
                transfers[moved.transfer].append(index)
                balance += moved.amount
            if balance < 0 and not overdrawn:
                overdrawn = True
                yield Violation("money", f"{stored.stream} is overdrawn, at {balance}", evidence.event(index))
    for transfer, indices in transfers.items():
        amounts: list[int] = [msgspec.json.decode(evidence.log[index].data, type=Moved).amount for index in indices]
        if len(amounts) != 2 or sum(amounts) != 0:
            text = f"transfer {transfer} stands in the log with the amounts {amounts}"
            yield Violation("money", text, evidence.event(indices[0]))
