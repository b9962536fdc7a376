"""The bank of the demo: events, an aggregate that folds them and takes commands, and a read model of them.

Read it in this order: `events`, `account`, `summary`. The other modules perform it on a screen.
"""

from leftfold.ops.demo.account import BankAccount, Refused
from leftfold.ops.demo.events import AccountClosed, AccountEvent, AccountOpened, MoneyDeposited, MoneyWithdrawn
from leftfold.ops.demo.summary import AccountSummary, account_summary

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
