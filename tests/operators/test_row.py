"""Rows, and hits that are kept as columns until a row is wanted."""

from __future__ import annotations

from array import array
from functools import partial

import pytest

from chromasql.operators.row import HitColumns, Row
from chromasql.operators.values import reader
from chromasql.plan import Column

pytestmark = pytest.mark.unit


def test_columns_make_rows_on_access() -> None:
    """A row that is read from columns has the distance as its score and the parts that were fetched."""
    hits = HitColumns(partial(Row, "docs", 3), 3, ["a", "b"], array("f", [0.5, 1.5]), {"document": ["one", "two"]})
    row = hits[1]

    assert (row.id, row.place, row.distance, row.score, row.document) == ("b", 3, 1.5, 1.5, "two")
    assert [hit.id for hit in hits[0:2]] == ["a", "b"]
    assert len(hits) == 2


def test_a_reader_gives_null_for_what_a_record_lacks() -> None:
    """Reading a key of a record without metadata gives NULL, and so does a key that it has not."""
    row = Row("docs", 0, "a")
    read = reader(Column("metadata", "year"))

    assert read(row) is None
    row.metadata = {"title": "x"}
    assert read(row) is None
    row.metadata = {"year": 2024}
    assert read(row) == 2024
    assert reader(Column("_collection"))(row) == "docs"
