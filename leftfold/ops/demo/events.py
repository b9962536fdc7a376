"""What happens at a bank. Facts, in the past tense; the type names are what the log keeps, whatever the classes do."""

from __future__ import annotations

from decimal import Decimal

import leftfold as lf


class AccountOpened(lf.Event, type="bank.account-opened"):
    owner: str


class MoneyDeposited(lf.Event, type="bank.money-deposited"):
    amount: Decimal


class MoneyWithdrawn(lf.Event, type="bank.money-withdrawn"):
    amount: Decimal


class AccountClosed(lf.Event, type="bank.account-closed"):
    pass


AccountEvent = AccountOpened | MoneyDeposited | MoneyWithdrawn | AccountClosed
