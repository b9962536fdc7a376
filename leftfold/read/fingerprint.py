"""A projection's fingerprint: what its rows depend on in code, so that a change without a new version is noticed.

The code counts as Python reads it: comments, layout and the docstring do not matter. What it calls elsewhere does not
count either, for no fingerprint could follow that; its ``version`` is the promise, this only catches a forgotten one.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import textwrap
from collections.abc import Callable, Iterable
from types import CodeType
from typing import Any


def fingerprint_of(*parts: object) -> str:
    """Of plain values, in order: 16 hexadecimal digits."""
    return hashlib.blake2b(repr(parts).encode(), digest_size=8).hexdigest()


def code_of(function: Callable[..., Any] | type[Any] | None) -> str:
    """The code of a function or class as text that only changes with its meaning."""
    if function is None:
        return ""
    try:
        [statement] = ast.parse(textwrap.dedent(inspect.getsource(function))).body
    except (OSError, TypeError, SyntaxError, ValueError):  # no source, or a lambda within something larger
        code = getattr(function, "__code__", None)
        return _compiled(code) if code is not None else getattr(function, "__qualname__", repr(function))
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        statement.decorator_list = []
    for node in ast.walk(statement):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            node.body = _without_docstring(node.body)
    return ast.unparse(statement)


def _without_docstring(body: list[ast.stmt]) -> list[ast.stmt]:
    match body:
        case [ast.Expr(value=ast.Constant(value=str())), *rest]:
            return rest or [ast.Pass()]
    return body


def _compiled(code: CodeType) -> str:
    constants = [_compiled(one) if isinstance(one, CodeType) else repr(one) for one in code.co_consts]
    return repr((code.co_code, code.co_names, code.co_varnames, constants))


def names_of(types: Iterable[str]) -> tuple[str, ...]:
    """Type names in an order that does not matter."""
    return tuple(sorted(types))
