"""
Texts and values nobody would give: they are read and planned, or refused with an error of ours, and nothing else happens.

A night tries 100,000 of them.
"""

import json
import math

import numpy as np
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from chromasql import ast
from chromasql.errors import ChromaSQLError, ChromaSQLParseError
from chromasql.explain import explain_plan
from chromasql.grammar import keywords
from chromasql.parser import parse_script
from chromasql.plan import QueryPlan, plan_to_dict
from chromasql.planner import bind_collections, dialect_named, plan_statement
from chromasql.printer import print_script, print_statement
from tests.support.examples import ACCEPTED, REFUSED
from tests.support.strategies.trees import exact, statements

TOKENS = [
    *sorted(keywords()),
    *"()[]{},.;:?*+-/=<>!'\"`$#\\",
    *(
        "<=",
        ">=",
        "!=",
        "<>",
        "=>",
        "--",
        "/*",
        "*/",
        "''",
        '"x"',
        "'x'",
        "`x`",
        ":p",
        "$1",
        "r'",
        "1",
        "2.5",
        "1e3",
        "x",
        "metadata",
        "id",
    ),
    *("COUNT", "MMR", "ABS", "COALESCE", "TOP", "JOIN", "DELETE", "é", "\u2019", "\0", "\n"),
]
thorough = settings(max_examples=5 * settings.default.max_examples, suppress_health_check=list(HealthCheck))
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=5),
    st.sampled_from([0, 1, -1, 2**63, 10**400, math.nan, math.inf, b"x", object, np.float32(0.5), np.int64(3)]),
)
VALUES = st.recursive(
    scalars | st.sampled_from([np.zeros(2), np.zeros((2, 2)), np.array(["x"]), {1: 0.5, 7: 1.0}]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(scalars, inner, max_size=2)
        | st.lists(inner, max_size=3).map(tuple)
    ),
    max_leaves=4,
)
values = st.lists(VALUES, min_size=1, max_size=3)


def check(text, given=(None,)):
    """Read a text; what is refused has its caret inside the text, what is read prints to the same tree and is planned."""
    read = outcome(text)
    if isinstance(read, ChromaSQLParseError):
        assert read.source == text
        assert 0 <= read.span.start <= read.span.end <= len(text)
        assert read.message
        assert str(read).startswith(read.message)
    else:
        assert exact(parse_script(print_script(read))) == exact(read)
        for statement in read:
            check_plan(statement, given)


def check_plan(statement, given):
    """Plan a statement with these values; a refusal has its place in the text, a plan can be told in words and as JSON."""
    plans = planned(statement, given)
    if isinstance(plans, ChromaSQLError):
        assert plans.message
        assert str(plans).startswith(plans.message)
        if plans.span is not None:
            assert plans.source == statement.source_text
            assert 0 <= plans.span.start <= plans.span.end <= len(plans.source)
        return
    for plan in plans:
        assert "Project: " in explain_plan(plan)
        assert json.dumps(plan_to_dict(plan))


def planned(statement, given):
    """Return the plans of a SELECT for either kind of Chroma, none of another statement, or what refuses it."""
    try:
        plan = plan_statement(statement, parameters_of(statement, given))
        if not isinstance(plan, QueryPlan):
            return []
        return [bind_collections(plan, ("a", "b"), dialect=dialect_named(each)) for each in ("local", "distributed")]
    except ChromaSQLError as error:
        return error


def parameters_of(statement, given):
    """Return values for the parameters that a statement has."""
    keys, pending = [], [statement]
    while pending:
        node = pending.pop()
        pending += ast.children(node)
        if isinstance(node, ast.Parameter) and node.key not in keys:
            keys.append(node.key)
    chosen = {key: given[at % len(given)] for at, key in enumerate(keys)}
    if keys and all(isinstance(key, int) for key in keys):
        return [chosen.get(at) for at in range(1, min(max(keys), 50) + 1)]
    return chosen


def outcome(text):
    try:
        return parse_script(text)
    except ChromaSQLParseError as error:
        return error


@thorough
@given(st.text() | st.text(st.characters(codec="ascii")).map("SELECT id FROM docs {}".format))
@example("SELECT '\ud800'")
def test_any_text(text):
    """Any text at all is read or refused."""
    check(text)


@thorough
@given(st.lists(st.sampled_from(TOKENS), max_size=15).map(" ".join))
def test_any_tokens(text):
    """Any sequence of the language's own words and signs is read or refused."""
    check(text)


@st.composite
def edited(draw):
    """An example in which a few words have been dropped, doubled, swapped or replaced."""
    text = draw(st.sampled_from(ACCEPTED + REFUSED))
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(text)))
        end = draw(st.integers(start, min(len(text), start + 12)))
        middle = draw(st.sampled_from(["", " ", *TOKENS]) | st.just(text[start:end] * 2) | st.text(max_size=3))
        text = text[:start] + middle + text[end:]
    return text


@thorough
@given(edited(), values)
def test_any_edit_of_the_examples(text, given):
    """What is nearly a statement is read and planned, or refused."""
    check(text, given)


@thorough
@given(st.sampled_from(ACCEPTED), st.integers(0, 300), values)
def test_any_beginning_of_the_examples(text, length, given):
    """A statement that stops short is read and planned, or refused at its end or before."""
    check(text[:length], given)


@settings(suppress_health_check=list(HealthCheck))
@given(statements, values)
def test_any_statement(statement, given):
    """Any statement is planned with any values, or refused."""
    check(print_statement(statement), given)
