"""The front doors: connect, and the two stores."""

from leftfold.front.async_store import AsyncEventStore, AsyncSubscription
from leftfold.front.connect import connect, connect_async
from leftfold.front.store import EventStore, Subscription

__all__ = ["AsyncEventStore", "AsyncSubscription", "EventStore", "Subscription", "connect", "connect_async"]
