"""
Spans of OpenTelemetry and lines of a log about a statement while it runs.

They hold names, numbers and kinds of errors, but no value of a statement or of a record: the text has a ``?`` for each
value, and messages of errors, which may quote one, are left out. Names of attributes are those of OpenTelemetry's
semantic conventions for databases (https://opentelemetry.io/docs/specs/semconv/database/).
"""

from __future__ import annotations

import dataclasses
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

from chromasql import ast
from chromasql.printer import print_statement
from chromasql.result import ExecutionResult, Outcome

__all__ = ["NO_TRACE", "Trace", "statement_without_values"]

_log = logging.getLogger("chromasql")


_log.addHandler(logging.NullHandler())


_SYSTEM = "chroma"


_MAX_NAMES = 8


class _Placeholder(ast.Parameter):
    """Stands in the place of a value."""

    __slots__ = ()

    def __str__(self) -> str:
        return "?"


_VALUE = _Placeholder("value")


def statement_without_values(statement: ast.Statement) -> str:
    """Return the statement in canonical form with a ``?`` for each value; names and the words of WITH remain."""

    def blank(node: ast.Node) -> ast.Node:
        match node:
            case ast.Literal() | ast.Parameter() | ast.DenseVector() | ast.SparseVector():
                return _VALUE
            case ast.Array():
                return ast.Array((_VALUE,))
            case _:
                return node

    if not isinstance(statement, ast.Query):
        return print_statement(ast.transform(statement, blank))
    blanked = ast.transform(dataclasses.replace(statement, options=()), blank)
    return print_statement(dataclasses.replace(blanked, options=statement.options))


def _names_of(statement: ast.Statement) -> list[str]:
    match statement:
        case ast.Query(sources=sources):
            return [str(source.name) for source in sources]
        case ast.Describe(collection):
            return [str(collection.name)]
        case _:
            return []


def _operation_of(statement: ast.Statement) -> str:
    match statement:
        case ast.Query(explain=None):
            return "SELECT"
        case ast.Query():
            return "EXPLAIN"
        case ast.Describe():
            return "DESCRIBE"
        case _:
            return "SHOW"


@dataclass(frozen=True, slots=True)
class Trace:
    """The span of one statement, where somebody records spans; made by `Trace.of`."""

    operation: str = ""
    summary: str = ""
    span: Any = None

    @classmethod
    @contextmanager
    def of(cls, statement: ast.Statement, *, current: bool = True) -> Iterator[Trace]:
        """
        Record a span for a statement until the end of the block, and the kind of the error that leaves it.

        With ``current`` the span is the parent of others, such as those of an HTTP library.
        """
        names = _names_of(statement)
        listed = ", ".join(names[:_MAX_NAMES]) + (", .." if len(names) > _MAX_NAMES else "")
        operation = _operation_of(statement)
        summary = f"{operation} {listed}".rstrip()
        span = _start_span(summary, {"db.operation.name": operation, "db.query.summary": summary})
        trace = cls(operation, summary, span)
        if trace.span is not None:
            trace.span.set_attribute("db.query.text", statement_without_values(statement))
            if len(names) == 1:
                trace.span.set_attribute("db.collection.name", names[0])
        try:
            with _as_current(trace.span if current else None):
                yield trace
        except GeneratorExit:
            raise
        except BaseException as error:
            _log.debug("%s: %s", trace.summary, type(error).__name__)
            _mark_failed(trace.span, type(error).__name__)
            raise
        finally:
            if trace.span is not None:
                trace.span.end()

    def returned(self, result: ExecutionResult) -> None:
        """Record the result of the statement."""
        missing = [outcome for outcome in result.outcomes if outcome.error is not None]
        for outcome in missing:
            _log_failure(self.summary, outcome)
        _log.debug(
            "%s: %d rows of %d collections in %.1f ms",
            self.summary,
            len(result.rows),
            len(result.outcomes),
            result.milliseconds,
        )
        if self.span is not None:
            self.span.set_attribute("db.response.returned_rows", len(result.rows))
            self.span.set_attribute("chromasql.collections", len(result.outcomes))
            self.span.set_attribute("chromasql.collections.missing", len(missing))

    @contextmanager
    def step(self, step: str, collection: str | None = None) -> Iterator[None]:
        """Record a span for one step, in one collection, and the kind of the error that leaves the block."""
        if self.span is None:
            yield
            return
        where = {} if collection is None else {"db.collection.name": collection}
        name = step if collection is None else f"{step} {collection}"
        span = _start_span(name, {"db.operation.name": step, **where}, below=self.span)
        try:
            with _as_current(span):
                yield
        except BaseException as error:
            _mark_failed(span, type(getattr(error, "cause", error)).__name__)
            raise
        finally:
            span.end()


NO_TRACE = Trace()
"""Records nothing."""


def _log_failure(summary: str, outcome: Outcome) -> None:
    assert outcome.error is not None
    _log.warning(
        "%s: collection %s %s (%s)", summary, outcome.collection, outcome.status.replace("_", " "), outcome.error.kind
    )


def _start_span(name: str, attributes: dict[str, Any], *, below: Any = None) -> Any:
    """
    Start a span, or return None where it would not be recorded.

    An application that records spans has imported OpenTelemetry by now, so it is not imported for others.
    """
    if "opentelemetry.trace" not in sys.modules:
        return None
    from opentelemetry import trace

    span = trace.get_tracer("chromasql", sys.modules["chromasql"].__version__).start_span(
        name,
        context=None if below is None else trace.set_span_in_context(below),
        kind=trace.SpanKind.CLIENT,
        attributes={"db.system.name": _SYSTEM, **attributes},
        record_exception=False,
        set_status_on_exception=False,
    )
    if below is None and not span.is_recording():
        return None
    return span


def _as_current(span: Any) -> Any:
    if span is None:
        return nullcontext()
    from opentelemetry import trace

    return trace.use_span(span, record_exception=False, set_status_on_exception=False)


def _mark_failed(span: Any, kind: str) -> None:
    if span is None:
        return
    from opentelemetry.trace import StatusCode

    span.set_attribute("error.type", kind)
    span.set_status(StatusCode.ERROR)
