"""The bank's decisions and its fold, without a database."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from leftfold.ops.demo import AccountClosed, AccountOpened, BankAccount, MoneyDeposited, MoneyWithdrawn, Refused
from leftfold.testing import given

OPENED = AccountOpened(owner="Alice")
TEN = Decimal(10)


def test_an_account_is_opened_once() -> None:
    given(BankAccount).when(BankAccount.open, "Alice").then(OPENED)
    given(BankAccount, OPENED).when(BankAccount.open, "Bob").then_raises(Refused)
    given(BankAccount, OPENED, AccountClosed()).when(BankAccount.open, "Bob").then_raises(Refused)


def test_an_account_needs_an_owner() -> None:
    given(BankAccount).when(BankAccount.open, "").then_raises(Refused)


def test_money_comes_and_goes() -> None:
    given(BankAccount, OPENED).when(BankAccount.deposit, TEN).then(MoneyDeposited(amount=TEN))
    given(BankAccount, OPENED, MoneyDeposited(amount=TEN)).when(BankAccount.withdraw, TEN).then(
        MoneyWithdrawn(amount=TEN)
    )


def test_an_overdraft_is_refused_to_the_cent() -> None:
    given(BankAccount, OPENED, MoneyDeposited(amount=TEN)).when(BankAccount.withdraw, Decimal("10.01")).then_raises(
        Refused, match=r"holds 10: 10\.01 cannot be withdrawn"
    )


@pytest.mark.parametrize("amount", ["0", "-1", "NaN", "Infinity", "0.001"])
def test_amounts_are_positive_and_in_whole_cents(amount: str) -> None:
    account = given(BankAccount, OPENED, MoneyDeposited(amount=TEN))
    account.when(BankAccount.deposit, Decimal(amount)).then_raises(Refused)
    account.when(BankAccount.withdraw, Decimal(amount)).then_raises(Refused)


def test_an_account_is_closed_only_when_it_is_empty() -> None:
    given(BankAccount, OPENED, MoneyDeposited(amount=TEN)).when(BankAccount.close).then_raises(Refused)
    emptied = given(BankAccount, OPENED, MoneyDeposited(amount=TEN), MoneyWithdrawn(amount=TEN))
    emptied.when(BankAccount.close).then(AccountClosed())


@pytest.mark.parametrize("history", [[], [OPENED, AccountClosed()]], ids=["new", "closed"])
def test_an_account_that_is_not_open_takes_no_commands(history: list[object]) -> None:
    account = given(BankAccount, *history)
    account.when(BankAccount.deposit, TEN).then_raises(Refused)
    account.when(BankAccount.withdraw, TEN).then_raises(Refused)
    account.when(BankAccount.close).then_raises(Refused)


def test_a_fact_told_late_keeps_the_day_on_which_it_happened() -> None:
    day = datetime(2026, 1, 12, tzinfo=UTC)
    account = BankAccount()
    account.open("Alice", occurred_at=day)
    account.deposit(TEN, occurred_at=day)
    assert [new.occurred_at for new in account.pending] == [day, day]


def test_an_account_below_zero_is_a_fact_and_folds() -> None:
    account = BankAccount()
    account.apply(MoneyWithdrawn(amount=TEN))
    assert account.balance == -10
