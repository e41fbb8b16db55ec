"""Spans and log lines tell what a statement did, in names and numbers, and no value of it or of a record."""

from __future__ import annotations

import dataclasses
import logging
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

import chromasql
from chromasql import MemoryProvider, ast
from chromasql.dispatch.tracing import statement_without_values
from tests.support.strategies.trees import statements

SECRET = "SECRET"
STATEMENT = "SELECT id, document FROM papers, blogs RANK BY KNN(:q) WHERE year > 1812 AND topic = 'SECRET' LIMIT 3"


def records(name: str) -> list[dict[str, Any]]:
    return [
        {
            "id": f"{name}{at}",
            "document": SECRET,
            "metadata": {"year": 2000 + at, "topic": SECRET},
            "embedding": [at, 1],
        }
        for at in range(3)
    ]


class Failing(MemoryProvider):
    """Its blogs fail, with a message that holds a value."""

    async def get_collection(self, name: str) -> Any:
        if name == "blogs":
            raise ValueError(SECRET)
        return await super().get_collection(name)


@pytest.fixture
def provider() -> MemoryProvider:
    return MemoryProvider({name: records(name) for name in ("papers", "blogs")})


@pytest.fixture
def failing() -> Failing:
    return Failing({name: records(name) for name in ("papers", "blogs")})


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    """Record spans as an application does."""
    exporter = InMemorySpanExporter()
    tracing = TracerProvider()
    tracing.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer", tracing.get_tracer)
    yield exporter
    tracing.shutdown()


def by_name(exporter: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    return {span.name: span for span in exporter.get_finished_spans()}


def test_a_statement_and_each_collection_have_a_span(spans: Any, provider: MemoryProvider) -> None:
    """The span of the statement says what was asked and how many rows came, and those of the steps are its children."""
    chromasql.connect(provider, embed_fn=lambda _: [1, 1]).execute(STATEMENT, {"q": SECRET})
    found = by_name(spans)
    statement = found["SELECT papers, blogs"]

    assert dict(statement.attributes or {}) == {
        "db.system.name": "chroma",
        "db.operation.name": "SELECT",
        "db.query.summary": "SELECT papers, blogs",
        "db.query.text": "SELECT id, document FROM papers, blogs RANK BY KNN(?) WHERE year > ? AND topic = ? LIMIT ?",
        "db.response.returned_rows": 3,
        "chromasql.collections": 2,
        "chromasql.collections.missing": 0,
    }
    assert set(found) == {"SELECT papers, blogs", "embed"} | {
        f"{step} {name}" for step in ("open", "rank") for name in ("papers", "blogs")
    }
    below = [span for name, span in found.items() if span is not statement]
    assert all(span.parent is not None and span.parent.span_id == statement.context.span_id for span in below)
    assert found["rank blogs"].attributes == {
        "db.system.name": "chroma",
        "db.operation.name": "rank",
        "db.collection.name": "blogs",
    }


def test_a_failure_is_told_by_its_kind(spans: Any, failing: Failing, caplog: pytest.LogCaptureFixture) -> None:
    """A collection that fails has a span with the kind of its error, and a line in the log; neither has its message."""
    caplog.set_level(logging.DEBUG, "chromasql")
    result = chromasql.connect(failing, embed_fn=lambda _: [1, 1]).execute(STATEMENT, {"q": SECRET})
    span = by_name(spans)["open blogs"]

    assert result.failures[0].error.message == SECRET
    assert span.status.status_code is StatusCode.ERROR
    assert (span.attributes or {})["error.type"] == "ValueError"
    assert by_name(spans)["SELECT papers, blogs"].attributes["chromasql.collections.missing"] == 1
    assert "SELECT papers, blogs: collection blogs failed (ValueError)" in caplog.messages
    assert SECRET not in caplog.text
    assert not any(SECRET in span.to_json() for span in spans.get_finished_spans())


def test_a_statement_that_fails_says_so(spans: Any, provider: MemoryProvider, caplog: pytest.LogCaptureFixture) -> None:
    """The span of a statement that raises has the kind of the error, and not its text, which quotes the statement."""
    caplog.set_level(logging.DEBUG, "chromasql")
    with pytest.raises(chromasql.ChromaSQLPlanningError):
        chromasql.connect(provider).execute("SELECT id FROM papers WHERE distance = 'SECRET'")
    (span,) = spans.get_finished_spans()

    assert span.attributes["error.type"] == "ChromaSQLPlanningError"
    assert span.attributes["db.collection.name"] == "papers"
    assert not span.events
    assert SECRET not in span.to_json() + caplog.text


def test_other_statements_and_streams_have_a_span(spans: Any, provider: MemoryProvider) -> None:
    """SHOW, DESCRIBE, EXPLAIN and a stream that is left early are told of like any other."""
    database = chromasql.connect(provider)
    # The stream first: its end is handed to the loop, which is done with it before it runs the next statement.
    stream = database.stream("SELECT id FROM papers, blogs")
    next(stream)
    stream.close()
    for statement in ("SHOW COLLECTIONS", "DESCRIBE papers", "EXPLAIN SELECT id FROM *"):
        database.execute(statement)
    found = by_name(spans)

    assert {"SHOW", "DESCRIBE papers", "EXPLAIN *", "SELECT papers, blogs", "scan papers"} <= set(found)
    assert all(span.status.status_code is StatusCode.UNSET for span in found.values())


def test_nothing_is_imported_where_nobody_records() -> None:
    """A program that does not use OpenTelemetry does not load it by a statement."""
    program = (
        "import sys, chromasql\n"
        "provider = chromasql.MemoryProvider({'papers': [{'id': 'a', 'embedding': [1.0]}]})\n"
        "chromasql.connect(provider).execute('SELECT id FROM papers')\n"
        "assert not [name for name in sys.modules if name.startswith('opentelemetry')]"
    )

    subprocess.run([sys.executable, "-c", program], check=True)


@given(statement=statements)
def test_the_text_of_a_statement_is_told_without_its_values(statement: ast.Statement) -> None:
    """Of two statements that differ in their values alone the same text is told."""

    def other(node: ast.Node) -> ast.Node:
        return ast.Literal("other") if isinstance(node, ast.Literal) else node

    options = statement.options if isinstance(statement, ast.Query) else ()
    changed = ast.transform(statement, other)
    if isinstance(changed, ast.Query):
        changed = dataclasses.replace(changed, options=options)

    assert statement_without_values(changed) == statement_without_values(statement)
