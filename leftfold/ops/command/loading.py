"""Loading an app as ``module:app`` names it, from where the command was called."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module

from leftfold.database.url import SqliteUrl, parse_url
from leftfold.errors import InvalidArgument
from leftfold.events import default_registry
from leftfold.front.app import App
from leftfold.front.connect import connected
from leftfold.front.store import EventStore
from leftfold.ops.opening import is_store


def load_app(name: str) -> App:
    """The `App` that ``module:attribute`` names; `InvalidArgument` says what is wrong with it."""
    module_name, colon, attribute = name.partition(":")
    if not colon or not module_name or not attribute:
        raise InvalidArgument(f"{name!r} names no app: expected module:app, such as bank.projections:app")
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        module = import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise  # something that the module itself imports
        raise InvalidArgument(f"there is no module {module_name!r} here: run this where you would import it") from None
    app = getattr(module, attribute, None)
    if not isinstance(app, App):
        found = [key for key, value in vars(module).items() if isinstance(value, App)]
        there = f"; it has {', '.join(found)}" if found else ": make one, app = lf.App(url, projections=[…])"
        raise InvalidArgument(f"{module_name} has no lf.App named {attribute!r}{there}")
    return app


@contextmanager
def store_of(target: str, read_models: str | None = None) -> Iterator[tuple[EventStore, App | None]]:
    """An open store that exists, by its URL or by its app, ``module:app``."""
    app = None if "://" in target else load_app(target)
    url = target if app is None else app.url
    place = parse_url(url)
    if isinstance(place, SqliteUrl):
        is_store(place)
    beside = read_models if app is None or read_models is not None else app.read_models
    if app is None:
        opening = connected(url, "never", default_registry, None, beside, ())
    else:
        opening = connected(url, "never", app.registry, app.replica, beside, (), app.projections)
    with opening as store:
        yield store, app
