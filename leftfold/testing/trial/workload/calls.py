"""Callers: each makes call after call, chosen from the seed and from its earlier answers."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from dataclasses import dataclass, field

import leftfold as lf
from leftfold import expected as expectation
from leftfold.testing.trial.record.facts import Claimed, Moved, Noted, Opened, Remarked, fact
from leftfold.testing.trial.record.records import (
    EVERYTHING,
    Answer,
    Append,
    AppendAnswer,
    Condition,
    Conflict,
    Criterion,
    Decide,
    DecisionAnswer,
    Fact,
    Head,
    Project,
    Query,
    ReadAnswer,
    ReadLog,
    ReadStream,
    Submission,
    Unknown,
)
from leftfold.testing.trial.workload.questions import Desk

HOT, COLD, ACCOUNTS, COLOURS = 4, 40, 6, 5
OPENING = 100
THINKING_SECONDS = 0.008
_LONG = 20_000
_KEPT = 50

TURNS = {
    "note": 30,
    "notes": 10,
    "transfer": 12,
    "claim": 8,
    "decide": 8,
    "repeat": 7,
    "tamper": 2,
    "nothing": 3,
    "read": 9,
    "read_log": 7,
    "head": 3,
    "transact": 2,
    "project": 1,
}


@dataclass
class Memory:
    """What the callers of one process know in common: versions they were told of, appends they may repeat."""

    versions: dict[str, int] = field(default_factory=dict)
    appends: deque[Append] = field(default_factory=lambda: deque(maxlen=_KEPT))
    balances: dict[str, tuple[int, int]] = field(default_factory=dict)
    position: int = 0
    claims: int = 0


class Caller:
    """``live`` until told to be quiet."""

    def __init__(self, name: str, desk: Desk, chance: random.Random, memory: Memory) -> None:
        self.name = name
        self._desk = desk
        self._chance = chance
        self._memory = memory

    async def live(self, quiet: asyncio.Event) -> None:
        """One call after the other, with a moment of thought between them."""
        turns = {
            "note": self._note,
            "notes": self._notes,
            "transfer": self._transfer,
            "claim": self._claim,
            "decide": self._decide,
            "repeat": self._repeat,
            "tamper": self._tamper,
            "nothing": self._nothing,
            "read": self._read,
            "read_log": self._read_log,
            "head": self._head,
            "transact": self._transact,
            "project": self._project,
        }
        while not quiet.is_set():
            [turn] = self._chance.choices(list(TURNS), list(TURNS.values()))
            await turns[turn]()
            await asyncio.sleep(self._chance.expovariate(1 / THINKING_SECONDS))

    async def _submit(self, call: Append) -> Answer:
        """Append, now and then walking away; an unknown outcome mostly has it sent again, with the same ids."""
        patience = self._chance.uniform(0, 0.02) if self._chance.random() < 0.01 else None
        answer = await self._desk.ask(self.name, call, patience=patience)
        for _ in range(3):
            if not isinstance(answer, Unknown) or self._chance.random() < 0.1:
                break
            answer = await self._desk.ask(self.name, call)
        if isinstance(answer, AppendAnswer):
            self._memory.position = max([self._memory.position, *(result[1] for result in answer.results)])
            for write, (version, _, _) in zip(call.writes, answer.results, strict=True):
                self._memory.versions[write.stream] = version
        elif isinstance(answer, Conflict):
            self._memory.versions[answer.stream] = answer.actual
        self._memory.appends.append(call)
        return answer

    def _stream(self) -> str:
        if self._chance.random() < 0.5:
            return f"note-{self._chance.randrange(HOT)}"
        return f"{self._chance.choice(['note', 'remark'])}-{self._chance.randrange(COLD)}"

    def _expected(self, stream: str) -> int:
        """Anything, or the version that was heard of last, which others may have overtaken."""
        [kind] = self._chance.choices(["any", "known", "none", "exists"], [45, 40, 7, 8])
        if kind == "known":
            return self._memory.versions.get(stream, 0)
        return {"any": expectation.ANY_VERSION, "none": expectation.NO_STREAM, "exists": expectation.STREAM_EXISTS}[
            kind
        ]

    def _colours(self) -> list[str]:
        return [f"colour:{number}" for number in self._chance.sample(range(COLOURS), self._chance.choice([0, 0, 1, 2]))]

    def _facts(self, most: int = 5) -> tuple[Fact, ...]:
        count = self._chance.choice([1, 1, 1, 1, 2, 3, most])
        return tuple(self._one_fact() for _ in range(count))

    def _one_fact(self) -> Fact:
        length = _LONG if self._chance.random() < 0.002 else self._chance.randrange(30)
        text = f"{self._chance.getrandbits(64):x} \\'\"é{{}}," + "x" * length
        kind = Remarked if self._chance.random() < 0.05 else Noted
        return fact(self._chance, kind(text), self._colours())

    def _submission(self, stream: str) -> Submission:
        return Submission(stream, self._expected(stream), self._facts())

    async def _note(self) -> None:
        await self._submit(Append((self._submission(self._stream()),)))

    async def _notes(self) -> None:
        streams = sorted({self._stream() for _ in range(self._chance.choice([2, 2, 3, 5]))})
        self._chance.shuffle(streams)
        await self._submit(Append(tuple(self._submission(stream) for stream in streams), together=True))

    async def _nothing(self) -> None:
        """No events at all only check the expectation."""
        stream = self._stream()
        await self._submit(Append((Submission(stream, self._expected(stream), ()),)))

    async def _repeat(self) -> None:
        """The same append again: answered as it was the first time, if it was stored, and judged anew if not."""
        if self._memory.appends:
            await self._submit(self._chance.choice(self._memory.appends))

    async def _tamper(self) -> None:
        """A former append's id with other words, in another stream, or in new company."""
        writes = [write for call in self._memory.appends for write in call.writes if write.facts]
        former = [write for write in writes if not write.stream.startswith("account-")]
        if not former:
            return
        write = self._chance.choice(former)
        other = self._one_fact()
        stream, facts = self._chance.choice(
            [
                (write.stream, (Fact(write.facts[0].id, other.type, other.data, other.tags), *write.facts[1:])),
                (f"note-tampered{self._chance.randrange(COLD)}", write.facts),
                (write.stream, (*write.facts, other)),
            ]
        )
        await self._submit(Append((Submission(stream, expectation.ANY_VERSION, facts),)))

    async def _transfer(self) -> None:
        """Between two accounts, decided on what they were read to be, at the versions they were read at."""
        names = [f"account-{number}" for number in self._chance.sample(range(ACCOUNTS), 2)]
        balances = [await self._balance(name) for name in names]
        if balances[0] is None or balances[1] is None:
            return
        (source, version), (_, other_version) = balances[0], balances[1]
        if version == 0 or other_version == 0:
            name = names[0] if version == 0 else names[1]
            facts = (fact(self._chance, Opened(OPENING)),)
            await self._submit(Append((Submission(name, expectation.NO_STREAM, facts),)))
            return
        if source <= 0:
            return
        amount, transfer = self._chance.randint(1, source), f"{self._chance.getrandbits(64):x}"
        writes = (
            Submission(names[0], version, (fact(self._chance, Moved(transfer, -amount)),)),
            Submission(names[1], other_version, (fact(self._chance, Moved(transfer, amount)),)),
        )
        await self._submit(Append(writes, together=True))

    async def _balance(self, account: str) -> tuple[int, int] | None:
        """What is on an account, and its version; folded from where this process knew it last."""
        balance, version = self._memory.balances.get(account, (0, 0))
        found: list[lf.RecordedEvent] = []
        answer = await self._desk.ask(self.name, ReadStream(account, after=version), found=found)
        if not isinstance(answer, ReadAnswer):
            return None
        for recorded in found:
            balance, version = balance + recorded.event.amount, recorded.version
        if version >= self._memory.balances.get(account, (0, 0))[1]:
            self._memory.balances[account] = (balance, version)
        return balance, version

    async def _claim(self) -> None:
        """A seat that no caller may have claimed before, in any stream."""
        self._memory.claims += 1
        seat = f"seat:{self._chance.randrange(self._memory.claims + 10)}"
        condition = Condition((Criterion(("trial.claimed",), (seat,)),), 0)
        facts = (fact(self._chance, Claimed(self.name), [seat]),)
        write = Submission(f"hall-{self._chance.randrange(COLD)}", expectation.ANY_VERSION, facts)
        await self._submit(Append((write,), condition=condition))

    async def _decide(self) -> None:
        """An append that nothing of what its decision rests on may have come before."""
        query = self._query()
        answer = await self._desk.ask(self.name, Decide(query))
        if not isinstance(answer, DecisionAnswer):
            return
        if self._chance.random() < 0.3:
            await asyncio.sleep(self._chance.uniform(0, 0.05))
        condition = Condition(query, answer.after, answer.seen)
        streams = sorted({self._stream() for _ in range(self._chance.choice([1, 1, 2]))})
        writes = tuple(Submission(stream, expectation.ANY_VERSION, self._facts(2)) for stream in streams)
        await self._submit(Append(writes, together=len(writes) > 1, condition=condition))

    def _query(self) -> Query:
        """Of every shape: types, tags, categories, and alternatives of them."""
        return self._chance.choice(
            [
                (Criterion((), (f"colour:{self._chance.randrange(COLOURS)}",)),),
                (Criterion(("trial.remarked",)),),
                (Criterion(("trial.remarked",), (), "remark"), Criterion((), ("colour:0", "colour:1"))),
                (Criterion(("trial.noted",), ("colour:2",), "remark"),),
                (Criterion(("trial.claimed",), (f"seat:{self._chance.randrange(self._memory.claims + 10)}",)),),
            ]
        )

    async def _transact(self) -> None:
        """A transaction of its own, with appends to different streams, and time between them."""
        streams = sorted({self._stream() for _ in range(self._chance.choice([1, 2, 3]))})
        self._chance.shuffle(streams)
        calls = [Append((self._submission(stream),), together=True) for stream in streams]
        pause = self._chance.choice([0, 0, 0.005, 0.03])
        await self._desk.transact(self.name, calls, pause, commit=self._chance.random() < 0.7)

    async def _read(self) -> None:
        stream = self._chance.choice([self._stream(), f"account-{self._chance.randrange(ACCOUNTS)}"])
        known = self._memory.versions.get(stream, 0)
        after = max(0, known - self._chance.randrange(60))
        limit = self._chance.choice([None, None, 1, 7, 50])
        backwards = self._chance.random() < 0.3
        await self._desk.ask(
            self.name, ReadStream(stream, 0 if backwards else after, 60 if backwards else limit, backwards)
        )

    async def _read_log(self) -> None:
        query = self._chance.choice([EVERYTHING, self._query()])
        recent = max(0, self._memory.position - self._chance.choice([0, 5, 30, 200]))
        backwards = self._chance.random() < 0.3
        limit = self._chance.choice([None, 1, 10, 100]) if not backwards else self._chance.choice([1, 10, 50])
        call = ReadLog(query, 0, limit, backwards=True) if backwards else ReadLog(query, recent, limit)
        await self._desk.ask(self.name, call)

    async def _head(self) -> None:
        await self._desk.ask(self.name, Head())

    async def _project(self) -> None:
        await self._desk.ask(self.name, Project())
