"""An app for the tests of the command line: a projection that is well, a slow one, one that fails, one that parks; and
the next version of the first one."""

from __future__ import annotations

import os
import time

import leftfold as lf


class Thing(lf.Event, type="ops.thing"):
    n: int


class Count(lf.ReadModel, table="ops_count"):
    id: lf.Key[str]
    n: int = 0


class Slow(lf.ReadModel, table="ops_slow"):
    id: lf.Key[str]
    n: int = 0


class Fails(lf.ReadModel, table="ops_fails"):
    id: lf.Key[str]
    n: int = 0


class Parks(lf.ReadModel, table="ops_parks"):
    id: lf.Key[str]
    n: int = 0


@lf.projection(Count, category="Thing", on=[Thing])
def count(row: Count | None, recorded: lf.RecordedEvent) -> Count:
    return Count(recorded.stream_id, (row.n if row else 0) + 1)


@lf.projection(Count, category="Thing", on=[Thing], name="count", version=2)
def count_big(row: Count | None, recorded: lf.RecordedEvent) -> Count:
    return Count(recorded.stream_id, (row.n if row else 0) + (1 if recorded.event.n < 39 else 1000))


@lf.projection(Count, category="Thing", on=[Thing], name="count", version=2)
def count_slow(row: Count | None, recorded: lf.RecordedEvent) -> Count:
    time.sleep(0.01)
    return count(row, recorded)  # type: ignore[return-value]


@lf.projection(Slow, category="Thing", on=[Thing])
def slow(row: Slow | None, recorded: lf.RecordedEvent) -> Slow:
    time.sleep(0.04)
    return Slow(recorded.stream_id, (row.n if row else 0) + 1)


@lf.projection(Fails, category="Thing", on=[Thing])
def fails(row: Fails | None, recorded: lf.RecordedEvent) -> Fails:
    if recorded.event.n == 13:
        raise ValueError("thirteen brings bad luck")
    return Fails(recorded.stream_id, (row.n if row else 0) + 1)


@lf.projection(Parks, category="Thing", on=[Thing], on_failure="park")
def parks(row: Parks | None, recorded: lf.RecordedEvent) -> Parks:
    if recorded.event.n == 13 and not os.environ.get("OPS_CORRECTED"):
        raise ValueError("thirteen brings bad luck")
    return Parks(recorded.stream_id, (row.n if row else 0) + 1)


app = lf.App(os.environ.get("OPS_URL", "sqlite:///ops.db"), projections=[count, slow, fails, parks])
well = lf.App(os.environ.get("OPS_URL", "sqlite:///ops.db"), projections=[count])
newer = lf.App(os.environ.get("OPS_URL", "sqlite:///ops.db"), projections=[count_big])
patient = lf.App(os.environ.get("OPS_URL", "sqlite:///ops.db"), projections=[count_slow])
