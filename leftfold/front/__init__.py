"""The front doors: connect, the two stores, and their transactions."""

from leftfold.front.async_store import AsyncEventStore, AsyncSubscription
from leftfold.front.async_transaction import AsyncTransaction
from leftfold.front.connect import connect, connect_async
from leftfold.front.store import EventStore, Subscription
from leftfold.front.transaction import Transaction

__all__ = [
    "AsyncEventStore",
    "AsyncSubscription",
    "AsyncTransaction",
    "EventStore",
    "Subscription",
    "Transaction",
    "connect",
    "connect_async",
]
