"""Printing: what is printed is read back as the same tree."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chromasql import ast
from chromasql.errors import ChromaSQLError
from chromasql.grammar import keywords
from chromasql.parser import MAX_DEPTH, parse, parse_script
from chromasql.printer.statements import _query, print_script, print_statement
from tests.support.strategies.trees import exact, names, queries, scripts, statements, values

thorough = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))


@thorough
@given(statements)
def test_round_trip(tree):
    """Printing a tree and parsing the text gives the tree, to the types of its values."""
    assert exact(parse(print_statement(tree))) == exact(tree)


@thorough
@given(statements)
def test_fixed_point(tree):
    """Printed text, parsed and printed again, is the same text."""
    text = print_statement(tree)
    assert print_statement(parse(text)) == text


@settings(thorough, max_examples=30)
@given(scripts)
def test_scripts_round_trip(trees):
    """A script is printed one statement to a line and read back the same."""
    assert exact(parse_script(print_script(trees))) == exact(trees)


@thorough
@given(queries(), st.randoms())
def test_clauses_in_any_order(query, random):
    """The order in which clauses are written changes nothing in the tree."""
    pieces = list(_query(query))
    first = 3 + (query.explain is not None) + bool(query.excluded)
    head, clauses = pieces[:first], pieces[first:]
    random.shuffle(clauses)
    assert exact(parse(" ".join(head + clauses))) == exact(query)


@thorough
@given(values)
def test_values_stay_on_one_line(value):
    """A value prints without a line break or a control character, whatever it holds."""
    text = print_statement(ast.ShowCollections(limit=value))
    assert text.isprintable()


@given(names)
def test_names_survive(name):
    """Any text can be the name of a collection, a column and a metadata key."""
    tree = ast.Query(
        ast.Projection((ast.ProjectionItem(ast.Field("metadata", (name, name)), name),)),
        (ast.Source(name, quoted=True),),
        group_by=ast.GroupBy((ast.Field("metadata", (name,)),)),
    )
    assert exact(parse(print_statement(tree))) == exact(tree)


@pytest.mark.parametrize("keyword", sorted(keywords()))
def test_keywords_as_names(keyword):
    """Every keyword can name a metadata key, wherever a field stands, whether bare or after the dot."""
    for field in (ast.Field("metadata", (keyword,)), ast.Field("metadata", (f"{keyword}", "x"), bare=True)):
        tree = ast.Query(
            ast.Projection((ast.ProjectionItem(ast.Aggregate("SUM", field)), ast.ProjectionItem(field, keyword))),
            (ast.Source(keyword, "t"),),
            rank=ast.Call("MAX", (ast.Knn(ast.Parameter("q"), key=field), field)),
            where=ast.NotPredicate(ast.IsNullPredicate(field)),
            group_by=ast.GroupBy((field,), ast.Keep(ast.Literal(1), (ast.OrderItem(field),))),
            order_by=(ast.OrderItem(field),),
        )
        assert exact(parse(print_statement(tree))) == exact(tree)


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("select ID, Year from docs", "SELECT id, Year FROM docs"),
        ("SELECT `year`, `group` FROM `docs`", "SELECT year, `group` FROM `docs`"),
        ("SELECT a FROM b WHERE ((x = 1)) AND (y = 2 OR (z == 3))", "SELECT a FROM b WHERE x = 1 AND (y = 2 OR z = 3)"),
        ("SELECT a FROM b WHERE NOT (x <> 1)", "SELECT a FROM b WHERE NOT x != 1"),
        ("SELECT a FROM b WHERE NOT (x = 1 AND y = 2)", "SELECT a FROM b WHERE NOT (x = 1 AND y = 2)"),
        ("SELECT a FROM b RANK BY (1 - 2) - (3 - 4)", "SELECT a FROM b RANK BY 1 - 2 - (3 - 4)"),
        ("SELECT a FROM b RANK BY (x * 2) / (-y * -(-z))", "SELECT a FROM b RANK BY x * 2 / (-y * - -z)"),
        ("SELECT a FROM b RANK BY -(x + 1)", "SELECT a FROM b RANK BY -(x + 1)"),
        ('SELECT a FROM b WHERE x = "it\'s"', "SELECT a FROM b WHERE x = 'it''s'"),
        (
            "SELECT a FROM b WHERE x = 1E3 AND y = -.5 AND z = +007",
            "SELECT a FROM b WHERE x = 1000.0 AND y = -0.5 AND z = 7",
        ),
        ("SELECT a FROM b ORDER BY x ASC, y DESC NULLS FIRST", "SELECT a FROM b ORDER BY x, y DESC NULLS FIRST"),
        ("SELECT a FROM b WHERE_DOCUMENT NOT document NOT LIKE 'x'", "SELECT a FROM b WHERE_DOCUMENT NOT NOT LIKE 'x'"),
        ("SELECT a FROM b LIMIT 1 WHERE x = ? OFFSET ?", "SELECT a FROM b WHERE x = $1 LIMIT 1 OFFSET $2"),
        ("SELECT a FROM b WITH (merge => rrf)", "SELECT a FROM b WITH (merge = 'rrf')"),
        ("show collections like 'x%' limit 3", "SHOW COLLECTIONS LIKE 'x%' LIMIT 3"),
        ("describe my-docs.v2", "DESCRIBE my-docs.v2"),
    ],
)
def test_canonical_text(text, printed):
    """Keywords are in capitals, brackets and quotes stand only where they are needed, clauses in one order."""
    assert print_statement(parse(text)) == printed


@pytest.mark.parametrize("number", [float("inf"), float("-inf"), float("nan"), 10**400])
def test_numbers_without_a_spelling(number):
    """A number that the text cannot hold is refused with an error of ours; a huge int raised OverflowError."""
    with pytest.raises(ChromaSQLError, match="cannot be written"):
        print_statement(ast.ShowCollections(limit=ast.Literal(number)))


def test_names_that_need_quotes_get_them():
    """A collection built by hand whose name the bare spelling cannot hold is quoted."""
    assert print_statement(ast.Describe(ast.Source("my docs"))) == "DESCRIBE `my docs`"


def test_a_bare_word_built_by_hand():
    """A field as the value of an argument prints as its name."""
    query = ast.Query(
        ast.Projection((ast.Star(),)), (ast.Source("a"),), options=(ast.Argument("merge", ast.Field("score")),)
    )
    assert print_statement(query) == "SELECT * FROM a WITH (merge = score)"


def test_as_deep_as_the_parser_reads():
    """Predicates and rank expressions nested as deep as the parser allows print and are read back."""
    predicate = ast.IsNullPredicate(ast.Field("id"))
    rank = ast.Literal(1)
    for at in range(MAX_DEPTH - 2):
        predicate = ast.BooleanPredicate("OR" if at % 2 else "AND", (predicate, ast.IsNullPredicate(ast.Field("id"))))
        rank = ast.Binary("/" if at % 2 else "-", rank, rank if at < 2 else ast.Unary("-", ast.Field("score")))
    star = ast.Projection((ast.Star(),))
    for tree in (
        ast.Query(star, (ast.Source("a"),), where=predicate),
        ast.Query(star, (ast.Source("a"),), rank=rank),
    ):
        assert parse(print_statement(tree)) == tree
