"""Which cases of a large product the quick tier leaves to the exhaustive one."""

from __future__ import annotations

import pytest

from leftfold.testing.conformance import LogConformance

DOORS = ("connect", "kind", "door", "place", "through", "race")
"""Names of parameters that say through which door a test goes."""
PAIRS = {
    ("sqlite", "sync"), ("sqlite", "threads"),
    ("postgresql", "async"), ("postgresql", "tasks"),
}  # fmt: skip
"""Each back end once and each door once."""
WHOLE = "AppendChecks"
"""What the quick tier asks of every log: one that goes through transactions, too."""


def is_one_more_case(item: pytest.Function) -> bool:
    """Whether the quick tier shows the same elsewhere: through another pair, or by the log's own conformance."""
    return _is_one_more_pair(item) or (item.path.parent.name != "log" and _is_a_check_of_the_log(item))


def _is_a_check_of_the_log(item: pytest.Function) -> bool:
    """Whether it is a check of the conformance suite other than `AppendChecks`."""
    declared_by = item.function.__qualname__.partition(".")[0]
    return declared_by != WHOLE and declared_by in {base.__name__ for base in LogConformance.__mro__}


def _is_one_more_pair(item: pytest.Function) -> bool:
    """Whether it goes to a back end through the door for which another case of the test goes to the other back end."""
    parameters = item.callspec.params if hasattr(item, "callspec") else {}
    values = [getattr(parameters[name], "__name__", parameters[name]) for name in DOORS if name in parameters]
    doors = [value for value in values if any(value == door for _, door in PAIRS)]
    if "store_url" not in parameters or not doors:  # a parameter named like a door may be about something else
        return False
    return (parameters["store_url"], doors[0]) not in PAIRS
