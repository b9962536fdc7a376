"""A bank: events, an aggregate that folds them and takes commands, and a read model of them. Read it in this order."""

from examples.bank.account import BankAccount, Refused
from examples.bank.events import AccountClosed, AccountEvent, AccountOpened, MoneyDeposited, MoneyWithdrawn
from examples.bank.summary import AccountSummary, account_summary

__all__ = [
    "AccountClosed",
    "AccountEvent",
    "AccountOpened",
    "AccountSummary",
    "BankAccount",
    "MoneyDeposited",
    "MoneyWithdrawn",
    "Refused",
    "account_summary",
]
