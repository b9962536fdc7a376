"""The front doors: connect, the two stores, their transactions, and the app."""

from leftfold.front.app import App
from leftfold.front.async_store import AsyncEventStore, AsyncSubscription
from leftfold.front.async_transaction import AsyncTransaction
from leftfold.front.connect import connect, connect_async
from leftfold.front.store import EventStore, Subscription
from leftfold.front.transaction import Transaction

__all__ = [
    "App",
    "AsyncEventStore",
    "AsyncSubscription",
    "AsyncTransaction",
    "EventStore",
    "Subscription",
    "Transaction",
    "connect",
    "connect_async",
]
