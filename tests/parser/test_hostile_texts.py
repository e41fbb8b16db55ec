"""Deep, long and hostile texts: a tree or a clean refusal, never an error of Python's."""

from pathlib import Path

import pytest

from chromasql import ast
from chromasql.analysis import bind_parameters
from chromasql.errors import ChromaSQLParseError
from chromasql.grammar import MAX_BRACKETS, MAX_PARAMETERS
from chromasql.parser import MAX_DEPTH, MAX_LENGTH, parse, parse_script
from chromasql.printer import print_statement

pytestmark = pytest.mark.no_cover  # hundreds of statements, or very long ones, over lines that others cover

HEAD = "SELECT id FROM docs "
MANY = 100_000


def bracketed(depth, inner="a = 1"):
    return f"{HEAD}WHERE {'(' * depth}{inner}{')' * depth}"


@pytest.mark.parametrize("depth", [1, MAX_DEPTH, MAX_BRACKETS])
def test_brackets_alone_add_no_depth(depth):
    """Brackets around one condition may be nested as long as no more than MAX_BRACKETS are open."""
    assert parse(bracketed(depth)) == parse(bracketed(0))


def test_too_many_brackets():
    """One bracket more is refused, with the caret under it."""
    with pytest.raises(ChromaSQLParseError, match="brackets are open") as caught:
        parse(bracketed(MAX_BRACKETS + 1))
    assert caught.value.span.start == len(f"{HEAD}WHERE ") + MAX_BRACKETS


def test_brackets_side_by_side_are_no_nesting():
    """Only open brackets count, not all there are."""
    predicate = parse(f"{HEAD}WHERE {' AND '.join(['(a IN (1, 2))'] * 1000)}").where
    assert len(predicate.predicates) == 1000


@pytest.mark.parametrize(
    "text",
    [
        bracketed(MANY),
        f"{HEAD}WHERE {'(' * MANY}",
        f"{HEAD}WHERE {'NOT ' * MANY}a = 1",
        f"{HEAD}WHERE {'NOT (' * MANY}a = 1{')' * MANY}",
        f"{HEAD}WHERE_DOCUMENT {'NOT ' * MANY}CONTAINS 'a'",
        f"{HEAD}WHERE {'(a = 1 AND ' * 50_000}a = 1{')' * 50_000}",
        f"{HEAD}WHERE {'(' * 50_000}a = 1{' AND a = 1)' * 50_000}",
        f"{HEAD}RANK BY {'(' * MANY}1{')' * MANY}",
        f"{HEAD}RANK BY {'- ' * MANY}x",
        f"{HEAD}RANK BY {'1 + ' * MANY}1",
        f"{HEAD}RANK BY {'ABS(' * MANY}1{')' * MANY}",
        f"{HEAD}RANK BY {'RRF(' * MANY}1{')' * MANY}",
        f"{HEAD}WITH (a = {'[' * MANY}",
        f"{HEAD}WHERE a IN ({'?, ' * 300_000}?)",
        "SELECT " + "x" * 5_000_000,
        f"{HEAD}WHERE a = '{'x' * 5_000_000}'",
    ],
    ids=lambda text: f"{text[:50]}.. {len(text)}",
)
def test_deep_and_long_texts_are_refused(text):
    """Nesting without bound and texts without end are refused cleanly and cheaply."""
    with pytest.raises(ChromaSQLParseError):
        parse(text)


@pytest.mark.parametrize(
    "text",
    [
        f"{HEAD}WHERE {' AND '.join(['a = 1'] * 5_000)}",
        f"{HEAD}WHERE id IN ({', '.join(map(str, range(20_000)))})",
        f"{HEAD}WHERE a = '{'x' * 500_000}'",
        f"{HEAD}WHERE a = '{''.join(['é', chr(92), 'n']) * 100_000}'",
        f"{HEAD}{' ' * 500_000}LIMIT 1",
        f"{HEAD}{'/**/' * 100_000}LIMIT 1",
        f"SELECT {'x' * 500_000} FROM docs",
        f"SELECT id FROM {', '.join(f'c{at}' for at in range(5_000))}",
    ],
    ids=lambda text: f"{text[:50]}.. {len(text)}",
)
def test_long_texts_are_read(text):
    """A text below MAX_LENGTH is read however long its lists, strings, names and white space are."""
    assert isinstance(parse(text), ast.Query)


def test_length():
    """The longest text that is read has MAX_LENGTH characters."""
    padded = HEAD.ljust(MAX_LENGTH)
    assert parse(padded) == parse(HEAD)
    with pytest.raises(ChromaSQLParseError, match=f"{MAX_LENGTH + 1} characters"):
        parse(padded + " ")


def asking(count, written="?"):
    return f"{HEAD}WHERE id IN ({', '.join([written] * count)})"


@pytest.mark.parametrize("written", ["?", ":id", "$1"])
def test_parameters(written):
    """A statement may have MAX_PARAMETERS places for parameters; one more is refused with the caret under it, and says what to do."""
    assert len(parse(asking(MAX_PARAMETERS, written)).where.values.items) == MAX_PARAMETERS
    text = asking(MAX_PARAMETERS + 1, written)
    with pytest.raises(
        ChromaSQLParseError, match=f"more than {MAX_PARAMETERS} parameters; pass a list as one"
    ) as caught:
        parse(text)
    assert text[slice(*caught.value.span)] == written
    assert caught.value.span.end == len(text) - 1


def test_parameters_of_a_script():
    """Each statement of a script has its own."""
    most = asking(MAX_PARAMETERS, ":id")
    assert len(parse_script(f"{most}; {most};")) == 2
    with pytest.raises(ChromaSQLParseError, match="parameters"):
        parse_script(f"{HEAD}; {asking(MAX_PARAMETERS + 1)}")


def test_one_parameter_may_be_a_longer_list():
    """The way out that the error names is open."""
    bound = bind_parameters(parse(f"{HEAD}WHERE id IN :ids"), {"ids": [str(at) for at in range(MAX_PARAMETERS + 1)]})
    assert len(bound.where.values.items) == MAX_PARAMETERS + 1


def test_limits_are_documented():
    """The reference names each limit."""
    reference = Path(__file__).parents[2].joinpath("docs", "language.md").read_text("utf-8")
    (sentences,) = (part for part in reference.split("\n\n") if part.startswith("A text has at most"))
    for limit in (MAX_LENGTH, MAX_PARAMETERS, MAX_BRACKETS, MAX_DEPTH):
        assert f" {limit:,} " in sentences.replace("\n", " ")


@pytest.mark.parametrize(
    "tail",
    ["#", "'", "`", "/*", "DROP", "LIMIT x", ")", ";;", "WHERE a = \u2019"],
)
def test_refusals_are_cheap_after_anything(tail):
    """What stands before a mistake, comments and semicolons above all, does not make finding words for it dear."""
    with pytest.raises(ChromaSQLParseError):
        parse_script("/**/" * 20_000 + tail)
    with pytest.raises(ChromaSQLParseError):
        parse_script(f"{HEAD};" * 500 + "-- ;\n" * 20_000 + tail)


def test_many_qualified_fields():
    """Aliases are looked up once, not once for each field."""
    columns = ", ".join(f"d.x{at}" for at in range(3_000))
    collections = ", ".join(f"c{at} AS d" for at in range(3_000))
    assert len(parse(f"SELECT {columns} FROM {collections}").projection.items) == 3_000


@pytest.mark.parametrize(
    ("prefix", "suffix"),
    [("NOT ", ""), ("(a = 1 OR b = 2 AND ", ")")],
)
def test_deepest_predicate(prefix, suffix):
    """The deepest tree that the parser gives prints, compares, hashes and transforms within Python's recursion."""
    accepted = [
        depth for depth in range(1, MAX_DEPTH + 5) if reads(f"{HEAD}WHERE {prefix * depth}a = 1{suffix * depth}")
    ]
    deepest = accepted[-1]
    assert accepted == list(range(1, deepest + 1))
    tree = parse(f"{HEAD}WHERE {prefix * deepest}a = 1{suffix * deepest}")
    assert parse(print_statement(tree)) == tree
    assert hash(tree) == hash(ast.transform(tree, lambda node: node))
    with pytest.raises(ChromaSQLParseError, match=f"nested deeper than {MAX_DEPTH} levels"):
        parse(f"{HEAD}WHERE {prefix * (deepest + 1)}a = 1{suffix * (deepest + 1)}")


def reads(text):
    try:
        parse(text)
    except ChromaSQLParseError:
        return False
    return True
