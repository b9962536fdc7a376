"""The front doors: connect, both stores, the sync faces of everything, and the app."""

from leftfold.front.app import App
from leftfold.front.async_store import AsyncEventStore
from leftfold.front.connect import connect, connect_async
from leftfold.front.store import EventStore

__all__ = ["App", "AsyncEventStore", "EventStore", "connect", "connect_async"]
