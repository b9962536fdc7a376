"""The SQL of this back end: its files, and its words for a query."""

from __future__ import annotations

from functools import partial

from leftfold.database import statements as sql
from leftfold.log.select import Columns, SqlDialect

statement = partial(sql.statement, "leftfold.log.sqlite")
COLUMNS: dict[Columns, str] = {
    "all": (
        "e.position, e.stream, e.version, e.id, e.type, e.schema_version, CAST(e.data AS BLOB), "
        "CAST(e.metadata AS BLOB), e.tags, e.occurred_at, e.recorded_at"
    ),
    "fold": "e.position, e.version, e.type, e.schema_version, CAST(e.data AS BLOB)",
}
DIALECT = SqlDialect(
    events="leftfold_events",
    event_tags="leftfold_event_tags",
    columns=COLUMNS["all"],
    mark="?",
    moment_mark="?",
    id=lambda id: id.bytes,
)
