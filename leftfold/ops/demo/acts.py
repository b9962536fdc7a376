"""The acts of the demo, in order. Each one explains itself, shows its code, runs it and shows what came of it."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from statistics import median
from time import perf_counter

import leftfold as lf
from leftfold.ops.demo.account import BankAccount, Refused
from leftfold.ops.demo.screen import amount
from leftfold.ops.demo.stage import Stage, january
from leftfold.ops.demo.summary import AccountSummary, account_summary

LONG = 5_000


class EveryEvent(BankAccount, category="BankAccount"):
    """The same account, always folded from its first event: this class keeps no snapshots and uses none."""


def open_accounts(stage: Stage) -> None:
    stage.screen.section(
        "Accounts are opened, money comes and goes",
        "A command checks and then records what happened. The block saves on its clean end, all or nothing.",
    )
    stage.screen.code(
        f"with accounts.create({stage.id('alice')!r}) as alice:",
        "    alice.open('Alice', occurred_at=january(5))",
        "    alice.deposit(Decimal(200), occurred_at=january(10))",
        "    alice.withdraw(Decimal(50), occurred_at=january(20))",
    )
    with stage.accounts.create(stage.id("alice")) as alice:
        alice.open("Alice", occurred_at=january(5))
        alice.deposit(Decimal(200), occurred_at=january(10))
        alice.withdraw(Decimal(50), occurred_at=january(20))
    with stage.accounts.create(stage.id("bob")) as bob:
        bob.open("Bob", occurred_at=january(7))
        bob.deposit(Decimal(80), occurred_at=january(8))
        bob.withdraw(Decimal(80), occurred_at=january(28))
        bob.close(occurred_at=january(28))
    stage.screen.result(f"alice: {amount(alice.balance)} at version {alice.version}; bob came, and left again")


def show_events(stage: Stage) -> None:
    stage.screen.section(
        "What is stored is what happened",
        "No balance is stored anywhere. These events are the truth, and no UPDATE or DELETE can touch them.",
    )
    ours = {f"BankAccount-{id}" for id in stage.ids}
    stage.screen.events(recorded for recorded in stage.store.read_all(after=stage.start) if recorded.stream in ours)


def conflict(stage: Stage) -> None:
    accounts, screen, id = stage.accounts, stage.screen, stage.id("alice")
    screen.section(
        "Two writers, one account",
        "Two tellers load the same account and both decide. The database lets one of them win.",
    )
    first, second = accounts.get(id), accounts.get(id)
    screen.code(
        f"first, second = accounts.get({id!r}), accounts.get({id!r})",
        "first.withdraw(Decimal(30));  accounts.save(first)",
    )
    first.withdraw(Decimal(30))
    accounts.save(first)
    screen.result(f"saved: version {first.version}, balance {amount(first.balance)}")
    screen.code("second.withdraw(Decimal(100));  accounts.save(second)")
    second.withdraw(Decimal(100))
    try:
        accounts.save(second)
    except lf.ConcurrencyError as error:
        screen.refusal(error)
    retry(stage)


def retry(stage: Stage) -> None:
    """A rival deposits while the first attempt decides, so that update() must try again."""
    seen: list[int] = []

    def withdraw(account: BankAccount, money: Decimal) -> None:
        seen.append(account.version)
        if len(seen) == 1:
            stage.accounts.update(account.id, BankAccount.deposit, Decimal(5))
        account.withdraw(money)

    stage.screen.code(
        f"accounts.update({stage.id('alice')!r}, BankAccount.withdraw, Decimal(100))",
        "# does it all again on a conflict; a rival deposits 5 in between",
    )
    result = stage.accounts.update(stage.id("alice"), withdraw, Decimal(100))
    tried = ", then at ".join(f"version {version}" for version in seen)
    stage.screen.result(f"loaded and decided at {tried}; saved as version {result.version}")


def overdraft(stage: Stage) -> None:
    id = stage.id("alice")
    stage.screen.section(
        "An overdraft is refused",
        "The rule is plain Python in the command. Nothing is recorded, and nothing is stored.",
    )
    stage.screen.code(f"accounts.update({id!r}, BankAccount.withdraw, Decimal(1000))")
    try:
        stage.accounts.update(id, BankAccount.withdraw, Decimal(1000))
    except Refused as error:
        stage.screen.refusal(error)
    account = stage.accounts.get(id)
    stage.screen.result(f"still version {account.version}, balance {amount(account.balance)}")


def earlier(stage: Stage) -> None:
    accounts, screen, id = stage.accounts, stage.screen, stage.id("alice")
    screen.section(
        "The balance on an earlier date",
        "Every event knows when it happened and when we learnt of it.",
    )
    screen.code(f"accounts.get({id!r}, at=january(16)).balance")
    screen.result(f"{amount(accounts.get(id, at=january(16)).balance)}, before the withdrawal of the 20th")
    [last] = stage.store.read(f"BankAccount-{id}", backwards=True, limit=1)
    screen.code(
        "# today we are told of a deposit on the 12th",
        f"accounts.update({id!r}, BankAccount.deposit, Decimal(25),",
        "                occurred_at=january(12))",
        f"accounts.get({id!r}, at=january(16)).balance",
        f"accounts.get({id!r}, at=january(16), known_at=before).balance",
    )
    accounts.update(id, BankAccount.deposit, Decimal(25), occurred_at=january(12))
    screen.result(f"{amount(accounts.get(id, at=january(16)).balance)}, as we know it today")
    known = accounts.get(id, at=january(16), known_at=last.recorded_at)
    screen.result(f"{amount(known.balance)}, as we knew it before we were told")


def snapshots(stage: Stage) -> None:
    id = stage.id("long")
    stage.screen.section(
        f"A long account: {LONG:,} events",
        "A snapshot is a remembered fold. It saves time; without it, the answer is the same.",
    )
    with stage.accounts.create(id) as account:
        account.open("Old Firm Ltd.", occurred_at=january(1))
        for number in range(1, LONG):
            account.deposit(Decimal(number), occurred_at=january(1 + number * 30 // LONG))
    with stage.accounts.edit(id) as account:
        account.withdraw(Decimal(1000), occurred_at=january(31))
    folded, all_seconds = _timed(lambda: stage.store.repository(EveryEvent).get(id))
    loaded, seconds = _timed(lambda: stage.accounts.get(id))
    stage.screen.code(f"accounts.get({id!r})")
    stage.screen.result(f"every event:                 {all_seconds * 1000:7.2f} ms   balance {amount(folded.balance)}")
    stage.screen.result(f"snapshot and the tail of it: {seconds * 1000:7.2f} ms   balance {amount(loaded.balance)}")
    if (folded.version, folded.balance) != (loaded.version, loaded.balance):
        raise AssertionError("the account and its snapshot differ")
    stage.screen.result(f"{all_seconds / seconds:.0f} times as fast, and the same account")


def read_model(stage: Stage) -> None:
    stage.screen.section(
        "A read model catches up",
        "A projection folds the same events into a table, for questions about many accounts.",
    )
    stage.screen.code(
        "store.projector([account_summary]).catch_up()",
        "store.view(AccountSummary).find(order_by=AccountSummary.c.owner)",
    )
    started = perf_counter()
    [done] = stage.store.projector([account_summary]).catch_up()
    stage.screen.result(f"{done.events:,} events applied in {(perf_counter() - started) * 1000:.0f} ms")
    stage.screen.summaries(stage.rows)


def rebuild(stage: Stage) -> None:
    screen, projector = stage.screen, stage.store.projector([account_summary])
    screen.section(
        "Deleted, and rebuilt from history",
        "A read model may be thrown away, or changed: what happened is still there to be replayed.",
    )
    before = stage.rows
    screen.code("projector.reset('account_summary')")
    projector.reset("account_summary")
    screen.result(f"rows left: {stage.store.view(AccountSummary).count()}")
    screen.code("projector.catch_up()")
    [done] = projector.catch_up()
    after = stage.rows
    if after != before:
        raise AssertionError("the rebuilt read model differs from the one before")
    screen.result(f"{done.events:,} events applied; {len(after)} rows of this demo, equal to those before")


ACTS = (open_accounts, show_events, conflict, overdraft, earlier, snapshots, read_model, rebuild)


def _timed(load: Callable[[], BankAccount]) -> tuple[BankAccount, float]:
    """The account, and the median of five loading times in seconds."""
    seconds = []
    for _ in range(5):
        started = perf_counter()
        account = load()
        seconds.append(perf_counter() - started)
    return account, median(seconds)
