"""The public path of a class or a function, in place of that of the private module that defines it."""

from __future__ import annotations

import sys
from types import FunctionType, ModuleType
from typing import get_type_hints


def publish(module: ModuleType) -> None:
    """Let everything in a module's ``__all__`` name that module as its own, as httpcore does."""
    for name in module.__all__:
        public = getattr(module, name)
        if isinstance(public, (type, FunctionType)) and public.__module__ in sys.modules:
            if isinstance(public, type) and "__annotations__" in vars(public):
                # Annotations are text, which is looked up in the module of the class: look it up before that changes.
                own = vars(public)["__annotations__"]
                own.update(
                    (key, hint) for key, hint in get_type_hints(public, include_extras=True).items() if key in own
                )
            public.__module__ = module.__name__
