"""What a trial prints: what it does, how much of it, and the verdict with the few records that prove it."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from leftfold import expected as expectation
from leftfold.database.url import parse_url
from leftfold.ops.command.display import plain_table, printable
from leftfold.testing.trial.checker.evidence import Proof, Sighting, Violation
from leftfold.testing.trial.record.history import BOOKKEEPING
from leftfold.testing.trial.record.records import (
    Answer,
    Append,
    AppendAnswer,
    Call,
    ConditionConflict,
    Conflict,
    Decide,
    DecisionAnswer,
    Failure,
    Glimpse,
    Head,
    Operation,
    PositionAnswer,
    Project,
    Query,
    ReadAnswer,
    ReadLog,
    ReadStream,
    Sight,
    StoredEvent,
    Submission,
    Unknown,
)
from leftfold.testing.trial.round import Verdict
from leftfold.testing.trial.stage.places import Place
from leftfold.testing.trial.stage.plan import Scale
from leftfold.testing.trial.trial import Totals

MOST_VIOLATIONS = 5
_MOST_CHARACTERS = 700


def show_beginning(console: Console, place: Place, seed: int, scale: Scale) -> None:
    """What is going to happen, and where."""
    callers = 2 * scale.workers * scale.callers
    followers = scale.workers * scale.followers
    console.print(f"a trial of the log, seed {seed}, on {place.description}", highlight=False)
    console.print(
        f"{scale.workers} processes with {callers} callers and {followers} followers, through both doors\n",
        highlight=False,
    )


def show_round(console: Console, verdict: Verdict) -> None:
    """One line for a round that has been judged."""
    faults = sum(incident.kind not in BOOKKEEPING for incident in verdict.history.incidents)
    clean = not verdict.violations
    line = Text.assemble(
        ("✓ " if clean else "✗ ", "green" if clean else "red"),
        f"round {verdict.seed}: {len(verdict.history.operations):,} calls, {faults} faults, ",
        f"{len(verdict.final):,} events: ",
        ("clean", "green") if clean else (f"{len(verdict.violations)} violations", "red"),
    )
    console.print(line)


def show_totals(console: Console, totals: Totals) -> None:
    """How much of everything."""
    answers: dict[str, list[str]] = {}
    for (call, answer), count in sorted(totals.calls.items(), key=lambda item: -item[1]):
        answers.setdefault(call, []).append(f"{count:,} {answer}")
    table = plain_table()
    table.add_column("calls", justify="right", no_wrap=True)
    table.add_column("kind", style="cyan", no_wrap=True)
    table.add_column("answers", overflow="fold")
    for call, kinds in answers.items():
        count = sum(number for (kind, _), number in totals.calls.items() if kind == call)
        table.add_row(f"{count:,}", call, ", ".join(kinds))
    console.print()
    console.print(table)
    faults = plain_table()
    faults.add_column("faults", justify="right", no_wrap=True)
    faults.add_column("kind", style="cyan", no_wrap=True)
    for kind, count in totals.faults.most_common():
        faults.add_row(f"{count:,}", kind)
    console.print()
    console.print(faults)
    console.print(
        f"\nchecked: {totals.events:,} events in {totals.rounds} logs, {totals.read:,} that were read, and "
        f"{totals.followed:,} seen by followers in {totals.subscriptions:,} subscriptions",
        highlight=False,
    )


def show_verdict(console: Console, place: Place, verdict: Verdict) -> None:
    """Clean, or every kind of violation with an example of each, and how to see it again."""
    if not verdict.violations:
        console.print("\n[green]✓ no promise was broken[/green]")
        return
    first: dict[str, Violation] = {}
    for violation in verdict.violations:
        first.setdefault(violation.rule, violation)
    console.print(f"\n[red]✗ {len(verdict.violations)} violations[/red] in round {verdict.seed}", highlight=False)
    for violation in list(first.values())[:MOST_VIOLATIONS]:
        same = sum(other.rule == violation.rule for other in verdict.violations)
        console.print(Text.assemble(("\n" + violation.rule, "bold"), f" ({same}): {printable(violation.text)}"))
        for line in describe_proof(violation.proof, verdict):
            console.print(Text(f"  {line}"), soft_wrap=True)
    seed = verdict.seed.partition("/")[0]
    console.print(f"\nthe whole history is in {verdict.directory}; again: --seed {seed}", highlight=False)
    if place.keeps:
        console.print(f"the store is kept: {parse_url(verdict.url)}", highlight=False)


def describe_proof(proof: Sequence[Proof], verdict: Verdict) -> list[str]:
    """The records of a proof, one line each, in the order in which they happened. Times are seconds since the start."""
    zero = min((operation.called_at for operation in verdict.history.operations), default=0)
    lines = [(_moment(record), _describe(record, zero)) for record in proof]
    return [_cut(line) for _, line in sorted(lines, key=lambda pair: pair[0])]


def _moment(record: Proof) -> int:
    match record:
        case Operation():
            return record.called_at
        case Sighting():
            return record.glimpse.at
        case _:
            return 0


def _describe(record: Proof, zero: int) -> str:
    match record:
        case Operation():
            end = f"{_seconds(record.answered_at, zero)}" if record.answer is not None else "never"
            span = f"{_seconds(record.called_at, zero)} to {end}"
            return f"{span}  {record.worker} {record.caller}: {_call(record.call)} -> {_answer(record.outcome)}"
        case Sighting():
            return f"{_seconds(record.glimpse.at, zero)}  follower {record.follower.name} {_glimpse(record.glimpse)}"
        case StoredEvent():
            tags = f" {list(record.tags)}" if record.tags else ""
            place = f"position {record.position}, {record.stream} version {record.version}"
            return f"stored: {place}, {record.type} {record.id}{tags}"


def _seconds(at: int, zero: int) -> str:
    return f"{(at - zero) / 1e9:.4f}"


def _call(call: Call) -> str:
    match call:
        case Append():
            condition = ""
            if call.condition is not None:
                seen = f", seen {list(call.condition.seen)}" if call.condition.seen else ""
                condition = f" unless {_query(call.condition.unless)} after {call.condition.after}{seen}"
            return f"{'append_all' if call.together else 'append'} {'; '.join(map(_write, call.writes))}{condition}"
        case ReadStream():
            return f"read {call.stream} after {call.after}{_bounds(call)}"
        case ReadLog():
            return f"read_all {_query(call.query)} after {call.after}{_bounds(call)}"
        case Decide():
            return f"decision {_query(call.query)}"
        case Head():
            return "head"
        case Project():
            return "catch_up"


def _bounds(call: ReadStream | ReadLog) -> str:
    return (f" limit {call.limit}" if call.limit else "") + (" backwards" if call.backwards else "")


def _write(write: Submission) -> str:
    ids = ", ".join(fact.id[:8] for fact in write.facts) or "nothing"
    return f"{write.stream} expected {expectation.describe(write.expected)}: {ids}"


def _query(query: Query) -> str:
    parts = []
    for criterion in query:
        category = [f"category {criterion.category}"] if criterion.category else []
        parts.append(" ".join([*criterion.types, *criterion.tags, *category]) or "everything")
    return "(" + " or ".join(parts) + ")"


def _answer(answer: Answer) -> str:
    match answer:
        case AppendAnswer():
            return "; ".join(
                f"version {version} at {position}{' (a duplicate)' if duplicate else ''}"
                for version, position, duplicate in answer.results
            )
        case Conflict():
            return f"ConcurrencyError: {answer.stream} is at {answer.actual}"
        case ConditionConflict():
            return f"ConditionFailed at {answer.position}"
        case Unknown():
            return f"unknown ({answer.why})"
        case ReadAnswer():
            return f"saw {_sights(answer.events)}"
        case DecisionAnswer():
            return f"read {_sights(answer.events)}, after {answer.after}, seen {list(answer.seen)}"
        case PositionAnswer():
            return f"position {answer.position}"
        case Failure():
            return printable(answer.error)
        case _:
            return str(type(answer).__struct_config__.tag)


def _glimpse(glimpse: Glimpse) -> str:
    if glimpse.began is not None:
        return f"subscribed after {glimpse.began}"
    return f"saw {_sights(glimpse.saw)}" if glimpse.saw else f"closed at position {glimpse.reached}"


def _sights(sights: Sequence[Sight]) -> str:
    positions = [str(position) for position, _ in sights]
    if len(positions) > 8:
        positions = [*positions[:3], "…", *positions[-3:]]
    return ", ".join(positions) or "nothing"


def _cut(line: str) -> str:
    return line if len(line) <= _MOST_CHARACTERS else line[:_MOST_CHARACTERS] + "…"
