"""Parsing: what statements mean, as trees."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chromasql import ast
from chromasql.errors import ChromaSQLParseError
from chromasql.parser import parse, parse_script
from chromasql.printer import print_script
from tests.support.examples import ACCEPTED, REFUSED
from tests.support.strategies.trees import exact


def where(condition):
    return parse(f"SELECT id FROM docs WHERE {condition}").where


def rank(expression):
    return parse(f"SELECT id FROM docs RANK BY {expression}").rank


def value(text):
    return where(f"x = {text}").value


def key(*path):
    return ast.Field("metadata", path, bare=True)


def equals(name, number):
    return ast.ComparisonPredicate(key(name), "=", ast.Literal(number))


A, B, C = equals("a", 1), equals("b", 2), equals("c", 3)


@pytest.mark.parametrize("text", ACCEPTED, ids=ACCEPTED)
def test_examples_are_accepted(text):
    """Each statement of the shared examples parses, and its printed form is the same tree."""
    script = parse_script(text)
    assert exact(parse_script(print_script(script))) == exact(script)


@pytest.mark.parametrize("text", REFUSED, ids=REFUSED)
def test_examples_are_refused(text):
    """Each statement that the shared examples refuse is refused."""
    with pytest.raises(ChromaSQLParseError):
        parse_script(text)


@pytest.mark.parametrize("text", ACCEPTED)
def test_case_of_keywords(text):
    """Keywords may be written in any case, all of them."""
    canonical = print_script(parse_script(text))
    for keyword in ("SELECT", "FROM", "WHERE", "AND", "KNN", "LIMIT", "LIKE", "AS", "WITH", "TRUE", "COUNT"):
        canonical = canonical.replace(f"{keyword} ", f"{keyword.lower()} ").replace(
            f"{keyword}(", f"{keyword.title()}("
        )
    assert exact(parse_script(canonical)) == exact(parse_script(text))


# Predicates


@pytest.mark.parametrize(
    ("condition", "tree"),
    [
        ("a = 1 OR b = 2 AND c = 3", ast.BooleanPredicate("OR", (A, ast.BooleanPredicate("AND", (B, C))))),
        ("a = 1 AND b = 2 OR c = 3", ast.BooleanPredicate("OR", (ast.BooleanPredicate("AND", (A, B)), C))),
        ("(a = 1 OR b = 2) AND c = 3", ast.BooleanPredicate("AND", (ast.BooleanPredicate("OR", (A, B)), C))),
        ("NOT a = 1 AND b = 2", ast.BooleanPredicate("AND", (ast.NotPredicate(A), B))),
        ("NOT (a = 1 AND b = 2)", ast.NotPredicate(ast.BooleanPredicate("AND", (A, B)))),
        ("NOT NOT a = 1", ast.NotPredicate(ast.NotPredicate(A))),
        ("a = 1 AND (b = 2 AND c = 3)", ast.BooleanPredicate("AND", (A, B, C))),
        ("((a = 1))", A),
        ("x BETWEEN 1 AND 2 AND a = 1", ast.BooleanPredicate("AND", (ast.BetweenPredicate(key("x"), ast.Literal(1), ast.Literal(2)), A))),
        ("x NOT BETWEEN :lo AND :hi", ast.BetweenPredicate(key("x"), ast.Parameter("lo"), ast.Parameter("hi"), negated=True)),
        ("x IS NOT DISTINCT FROM NULL", ast.IsDistinctPredicate(key("x"), ast.Literal(None), negated=True)),
        ("x IS NULL", ast.IsNullPredicate(key("x"))),
        ("x NOT IN ('a', 1)", ast.InPredicate(key("x"), ast.Array((ast.Literal("a"), ast.Literal(1))), negated=True)),
        ("x IN :list", ast.InPredicate(key("x"), ast.Parameter("list"))),
        ("x NOT ILIKE 'a%'", ast.LikePredicate(key("x"), ast.Literal("a%"), negated=True, ignore_case=True)),
        ("x CONTAINS ALL ('a')", ast.ContainsPredicate(key("x"), ast.Array((ast.Literal("a"),)), quantifier="ALL")),
        ("COUNT(*) > 1", ast.ComparisonPredicate(ast.Aggregate("COUNT", None), ">", ast.Literal(1))),
        ("x == 1", ast.ComparisonPredicate(key("x"), "=", ast.Literal(1))),
        ("x <> 1", ast.ComparisonPredicate(key("x"), "!=", ast.Literal(1))),
    ],
)  # fmt: skip
def test_predicates(condition, tree):
    """NOT binds before AND, AND before OR, and what one operator joins is one node."""
    assert exact(where(condition)) == exact(tree)


def test_negation_in_where_document():
    """In WHERE_DOCUMENT, where the field is left out, NOT CONTAINS is one test, as ``document NOT CONTAINS`` is."""
    short = parse("SELECT id FROM docs WHERE_DOCUMENT NOT CONTAINS 'a' AND NOT (LIKE 'b' OR REGEX 'c')")
    document = ast.Field("document")
    assert short.where_document == ast.BooleanPredicate(
        "AND",
        (
            ast.ContainsPredicate(document, ast.Literal("a"), negated=True),
            ast.NotPredicate(
                ast.BooleanPredicate(
                    "OR",
                    (ast.LikePredicate(document, ast.Literal("b")), ast.RegexPredicate(document, ast.Literal("c"))),
                )
            ),
        ),
    )
    long = parse("SELECT id FROM docs WHERE_DOCUMENT Document NOT CONTAINS 'a'")
    assert long.where_document == short.where_document.predicates[0]


# Rank expressions


def test_arithmetic():
    """Products bind before sums, operators of one kind from the left, signs before both."""
    one, two, three = (ast.Literal(number) for number in (1, 2, 3))
    assert rank("1 - 2 - 3") == ast.Binary("-", ast.Binary("-", one, two), three)
    assert rank("1 - (2 - 3)") == ast.Binary("-", one, ast.Binary("-", two, three))
    assert rank("1 + 2 * 3") == ast.Binary("+", one, ast.Binary("*", two, three))
    assert rank("(1 + 2) / 3") == ast.Binary("/", ast.Binary("+", one, two), three)
    assert rank("-x * 2") == ast.Binary("*", ast.Unary("-", key("x")), two)
    assert rank("-1 * 2") == ast.Binary("*", ast.Literal(-1), two)
    assert rank("1 - - 2") == ast.Binary("-", one, ast.Literal(-2))
    assert rank("1 || 2 + 3 % 1") == ast.Binary("||", one, ast.Binary("+", two, ast.Binary("%", three, one)))


def test_calls():
    """The name of a function is in capitals; MIN and MAX of several values are functions of one row."""
    field = key("x")
    assert rank("log(x)") == ast.Call("LOG", (field,))
    assert rank("MIN(x, x)") == ast.Call("MIN", (field, field))
    assert rank("MIN(x)") == ast.Aggregate("MIN", field)


@pytest.mark.parametrize(
    "spelling",
    [
        "KNN('a', limit = 5, key = sparse)",
        "KNN('a', key => sparse, limit => 5)",
        "KNN(query = 'a', key = sparse, limit = 5)",
        "KNN(TEXT 'a', LIMIT = 5, Key = sparse)",
    ],
)
def test_arguments_in_any_order(spelling):
    """The arguments of KNN may come by name, in any order, with = or =>."""
    assert rank(spelling) == ast.Knn(ast.EmbeddingText(ast.Literal("a")), key=key("sparse"), limit=ast.Literal(5))


def test_rrf_with_and_without_brackets():
    """The ranks of RRF may stand in square brackets."""
    assert rank("RRF([KNN(:a), KNN(:b)], k = 9)") == rank("RRF(KNN(:a), KNN(:b), k = 9)")


# Values


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("'O''Brien'", "O'Brien"),
        ('"say ""hi"""', 'say "hi"'),
        ('\'say ""hi""\'', 'say ""hi""'),
        (r"'it\'s'", "it's"),
        (r"'\\'", "\\"),
        (r"'\a\b\f\n\r\t\v'", "\a\b\f\n\r\t\v"),
        (r"'\x41\u00e9\U0001F600'", "A\u00e9\U0001f600"),
        (r"'\N{BULLET}'", "\u2022"),
        (r"'\101\0\18'", "A\0\x018"),
        (r"'\d\w\.'", r"\d\w\."),
        ("'a\\\nb'", "ab"),
        ("'a\nb'", "a\nb"),
        (r"r'\bAPI\b'", r"\bAPI\b"),
        (r'R"\d"', r"\d"),
        ("''", ""),
    ],
)
def test_strings(text, meaning):
    """Strings take Python's escapes, a doubled quote, and r'..' without any."""
    assert value(text) == ast.Literal(meaning)


@given(st.text(st.characters(exclude_characters="\r\n\0", codec="utf-8")))
def test_escapes_are_those_of_python(text):
    """Whatever Python writes for a string means that string here too."""
    assert value(repr(text)) == ast.Literal(text)
    assert value(ascii(text)) == ast.Literal(text)


@pytest.mark.parametrize(
    ("text", "number"),
    [("1", 1), ("1.0", 1.0), ("-1", -1), ("+1", 1), ("- 1", -1), (".5", 0.5), ("1.", 1.0), ("1e3", 1000.0), ("1E-3", 0.001),
     ("007", 7), ("-0.0", -0.0), ("123456789012345678901234567890", 123456789012345678901234567890)],
)  # fmt: skip
def test_numbers(text, number):
    """A number with a point or an exponent is a float, another one an int of any size; a sign may stand apart."""
    assert exact(value(text)) == exact(ast.Literal(number))


def test_constants():
    """TRUE, FALSE and NULL are values in any case, and no strings."""
    assert [exact(value(text)) for text in ("TRUE", "false", "Null")] == [
        exact(ast.Literal(each)) for each in (True, False, None)
    ]


# Names


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("id", ast.Field("id")),
        ("Score", ast.Field("score")),
        ("`id`", ast.Field("id")),
        ("_collection", ast.Field("_collection")),
        ("metadata", ast.Field("metadata")),
        ("year", key("year")),
        ("METADATA.Year", ast.Field("metadata", ("Year",))),
        ("metadata.a.b", ast.Field("metadata", ("a", "b"))),
        ("metadata['a.b']", ast.Field("metadata", ("a.b",))),
        ('metadata["it\'s"]', ast.Field("metadata", ("it's",))),
        ('metadata."unit price"', ast.Field("metadata", ("unit price",))),
        ("`unit price`", key("unit price")),
        ("`a``b`", key("a`b")),
        ("a.b", key("a", "b")),
        ("id.x", key("id", "x")),
        ("metadata.where", ast.Field("metadata", ("where",))),
    ],
)
def test_fields(text, field):
    """A bare name that is no system column is a metadata key; system columns ignore case, keys do not."""
    assert parse(f"SELECT {text} FROM docs").projection.items[0].operand == field


def test_qualified_fields():
    """The alias of the collection, or its name, may stand before a field, and means nothing more."""
    query = parse("SELECT d.id, d.year, d.metadata.x, d.metadata, d.id.x FROM docs AS d ORDER BY e.year")
    assert [item.operand for item in query.projection.items] == [
        ast.Field("id", qualifier="d"),
        ast.Field("metadata", ("year",), bare=True, qualifier="d"),
        ast.Field("metadata", ("x",), qualifier="d"),
        ast.Field("metadata", qualifier="d"),
        ast.Field("metadata", ("id", "x"), bare=True, qualifier="d"),
    ]
    assert query.order_by[0].operand == key("e", "year")
    assert parse("SELECT docs.id FROM docs").projection.items[0].operand == ast.Field("id", qualifier="docs")


@pytest.mark.parametrize(
    ("text", "sources"),
    [
        ("order AS limit", (ast.Source("order", "limit"),)),
        ("my-docs.v2", (ast.Source("my-docs.v2"),)),
        ("2024-logs, b AS c", (ast.Source("2024-logs"), ast.Source("b", "c"))),
        ("logs-*", (ast.Source("logs-*"),)),
        ('"my docs", `a*`', (ast.Source("my docs", quoted=True), ast.Source("a*", quoted=True))),
        (":c AS d", (ast.Source(ast.Parameter("c"), "d"),)),
        ("select", (ast.Source("select"),)),
    ],
)
def test_sources(text, sources):
    """After FROM stands any word, a pattern, a quoted name or a parameter; only bare names are patterns."""
    query = parse(f"SELECT id FROM {text} LIMIT 1")
    assert query.sources == sources
    assert [source.is_pattern for source in query.sources] == [not s.quoted and "*" in str(s.name) for s in sources]


def test_excluded_sources():
    """EXCEPT takes names and patterns away from FROM, and columns away from the star."""
    query = parse("SELECT * EXCEPT (document, x) FROM * EXCEPT (tmp-*, scratch)")
    assert query.projection.items == (ast.Star((ast.Field("document"), key("x"))),)
    assert query.sources == (ast.Source("*"),)
    assert query.excluded == (ast.Source("tmp-*"), ast.Source("scratch"))


# Parameters


def test_parameters():
    """``:name`` and ``$name`` are one parameter; ``?`` counts from 1 in the order of the text, and ``$1`` says so."""
    query = parse("SELECT id FROM ? LIMIT ? WHERE a = ? AND b = :x AND c = $x AND d = $1 OFFSET ?")
    assert query.sources[0].name == ast.Parameter(1)
    assert query.limit == ast.Parameter(2)
    assert [each.value.key for each in query.where.predicates] == [3, "x", "x", 1]
    assert query.offset == ast.Parameter(4)


def test_parameters_of_each_statement():
    """In a script, ``?`` counts anew in each statement."""
    first, second = parse_script("SELECT id FROM a LIMIT ?; SELECT id FROM b LIMIT ?")
    assert first.limit == second.limit == ast.Parameter(1)


# Spans and the rest


def test_spans():
    """Each node knows which part of the text it stands for; numbered and qualified nodes keep theirs."""
    text = "SELECT d.year AS y FROM docs AS d WHERE a = ? OR NOT b LIKE 'x' RANK BY 1 - KNN(:q)"
    query = parse(text)

    def shown(node):
        return text[slice(*node.span)]

    assert shown(query) == text
    assert shown(query.projection.items[0]) == "d.year AS y"
    assert shown(query.projection.items[0].operand) == "d.year"
    assert shown(query.sources[0]) == "docs AS d"
    assert shown(query.where) == "a = ? OR NOT b LIKE 'x'"
    assert shown(query.where.predicates[0].value) == "?"
    assert shown(query.where.predicates[1].predicate) == "b LIKE 'x'"
    assert shown(query.rank) == "1 - KNN(:q)"


@pytest.mark.parametrize("text", ACCEPTED)
def test_spans_nest(text):
    """The span of a node lies within the span of the node above it."""
    for statement in parse_script(text):
        for node in ast.walk(statement):
            for child in ast.children(node):
                # The document that a test leaves out has no text of its own.
                if child.span != (0, 0):
                    assert node.span.start <= child.span.start < child.span.end <= node.span.end


def test_statements_know_their_text():
    """A statement carries the text it came from, which takes no part in equality."""
    text = "SHOW COLLECTIONS; DESCRIBE docs"
    assert [statement.source_text for statement in parse_script(text)] == [text, text]
    assert parse("DESCRIBE docs") == parse("describe  docs ;")


def test_explain():
    """EXPLAIN and EXPLAIN ANALYZE mark the SELECT behind them."""
    assert [parse(f"{word} SELECT id FROM a").explain for word in ("", "EXPLAIN", "EXPLAIN ANALYZE")] == [
        None,
        "PLAN",
        "ANALYZE",
    ]


def test_trees_are_kept():
    """A text parsed before gives the very tree that it gave then."""
    text = "SELECT id FROM docs WHERE a = 'kept'"
    assert parse(text) is parse(text)


def test_nodes_are_frozen():
    """Nothing in a tree can be changed."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        parse("SELECT id FROM docs").limit = ast.Literal(1)


def test_transform():
    """A transformed tree shares what did not change, and the tree given stays as it was."""
    query = parse("SELECT id FROM docs WHERE a IN (1, 2) LIMIT 3")

    def doubled(node):
        return ast.Literal(node.value * 2) if isinstance(node, ast.Literal) else node

    changed = ast.transform(query, doubled)
    assert changed == parse("SELECT id FROM docs WHERE a IN (2, 4) LIMIT 6")
    assert changed.projection is query.projection
    assert query == parse("SELECT id FROM docs WHERE a IN (1, 2) LIMIT 3")
    assert ast.transform(query, lambda node: node) is query


def test_walk():
    """Walking meets each node once, parents first."""
    query = parse("SELECT id FROM docs WHERE a = 1 AND b = 2")
    kinds = [type(node).__name__ for node in ast.walk(query)]
    assert kinds == [
        "Query",
        "Projection",
        "ProjectionItem",
        "Field",
        "Source",
        "BooleanPredicate",
        "ComparisonPredicate",
        "Field",
        "Literal",
        "ComparisonPredicate",
        "Field",
        "Literal",
    ]


def test_a_comment_that_touches_a_name_after_from_is_refused() -> None:
    """FROM logs--old would ask logs and drop the rest of the line; it did before, without a word."""
    with pytest.raises(ChromaSQLParseError, match="backticks") as caught:
        parse("SELECT id FROM logs--old WHERE id = 'none'")

    assert caught.value.code == "ambiguous-comment"
    assert parse("SELECT id FROM `logs--old`").sources[0].name == "logs--old"
    assert parse("SELECT id FROM logs --old").sources[0].name == "logs"
    assert parse("SELECT id--x\nFROM logs").sources[0].name == "logs"
