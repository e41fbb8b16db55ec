"""Errors about the text: what they say, and where their caret stands."""

import pickle

import pytest

from chromasql.errors import ChromaSQLParseError
from chromasql.parser import parse, parse_script
from tests.support.examples import REFUSED

NO_JOIN = "there is no JOIN; FROM a, b searches both collections and merges their rows"
NO_SUBQUERIES = "there are no subqueries; run the inner statement first and pass its rows as a parameter"
NO_ARITHMETIC = "arithmetic is allowed only in RANK BY"
KEYWORD = "is a keyword, not a field; for a metadata key of that name write metadata."

# The text, what stands under the carets, and how the message begins (or what it holds, after "..").
SHARED = [
    ("SELECT id FROM docs WHERE a = 1 WHERE b = 2", "WHERE b = 2", "WHERE is given twice; combine with AND"),
    (
        "SELECT id FROM docs RANK BY KNN('a') USING EMBEDDING (TEXT 'a')",
        "USING EMBEDDING (TEXT 'a')",
        "USING EMBEDDING and RANK BY in one statement; USING EMBEDDING (TEXT 'q') is RANK BY KNN('q')",
    ),
    ("SELECT id, FROM docs", "FROM", "a column is missing before FROM"),
    ("SELECT FROM docs", "FROM", "a column is missing before FROM"),
    ("SELECT id FROM docs RANK BY KNN()", ")", "KNN needs a query: KNN('words'), KNN([0.1, 0.2]) or KNN(:q)"),
    ("SELECT id FROM docs RANK BY KNN('a', foo = 1)", "foo = 1", "KNN has no argument foo; it takes query, key"),
    (
        "SELECT id FROM docs RANK BY KNN('a', 'b')",
        "'b'",
        "KNN takes one query; its other arguments are named: key =, limit =",
    ),
    ("SELECT id FROM docs RANK BY RRF()", ")", "RRF needs ranks: RRF(KNN('words'), BM25('words'))"),
    ("SELECT id FROM docs RANK BY RRF(k = 60)", "k", "RRF takes its ranks first: RRF(KNN('words'), k = ..)"),
    (
        "SELECT id FROM docs RANK BY RRF(KNN('a'), k = 60, KNN('b'))",
        "KNN",
        "RRF takes its ranks first, then its named arguments",
    ),
    (
        "SELECT id FROM docs ORDER BY RANK KNN('a')",
        "RANK",
        "RANK is a keyword: a ranking is written RANK BY KNN(..); for a metadata key of that name write metadata.RANK or `RANK`",
    ),
    ("SELECT id FROM docs WHERE a = ", "", "expected an expression, found the end of the statement"),
    ("SELECT id FROM docs WHERE a LIKE 5", "5", "LIKE takes a string"),
    ("SELECT id FROM docs LIMIT 10, 20", ",", "there is no LIMIT 10, n; write LIMIT n OFFSET 10"),
    ("SELECT id FROM docs LIMIT 2.5", "2.5", "LIMIT takes a whole number"),
    ("SELECT id FROM 'docs'", "'docs'", "expected a collection, found a string; write FROM docs"),
    (
        "SELECT id FROM docs WHERE WHERE_DOCUMENT CONTAINS 'x'",
        "WHERE_DOCUMENT",
        f"WHERE_DOCUMENT {KEYWORD}WHERE_DOCUMENT or `WHERE_DOCUMENT`",
    ),
    (
        "SELECT id FROM docs WHERE_DOCUMENT CONTAINS 'a' OR WHERE_DOCUMENT CONTAINS 'b'",
        "WHERE_DOCUMENT",
        "WHERE_DOCUMENT is written once: WHERE_DOCUMENT CONTAINS 'a' OR CONTAINS 'b'",
    ),
    (
        "SELECT id FROM docs WHERE_DOCUMENT title CONTAINS 'a'",
        "title",
        "WHERE_DOCUMENT tests only the document; test title in WHERE",
    ),
    ("SELECT id FROM docs GROUP BY KEEP 3", "KEEP", "a column is missing before KEEP"),
    ("SELECT id FROM docs; DROP TABLE docs", "DROP", "ChromaSQL is read-only; there is no DROP"),
    ("DELETE FROM docs", "DELETE", "ChromaSQL is read-only; there is no DELETE"),
    (
        "SELECT id FROM docs WHERE a = 1 organization = 2",
        "organization",
        "expected AND, OR or a clause, found organization",
    ),
    ("SELECT id FROM docs WHERE a = 1 android = 2", "android", "expected AND, OR or a clause, found android"),
    ("SELECT id FROM docs WITH (timeout)", ")", "timeout needs a value: timeout = .."),
]

HINTS = [
    # a missing AS
    # JOIN and UNION
    ("SELECT id FROM docs JOIN other ON docs.id = other.id", "JOIN", NO_JOIN),
    ("SELECT id FROM docs AS d LEFT JOIN other AS o", "LEFT", NO_JOIN),
    ("SELECT id FROM docs UNION SELECT id FROM other", "UNION", "there is no UNION; FROM a, b searches both"),
    # subqueries
    ("SELECT id FROM docs WHERE id IN (SELECT id FROM other)", "SELECT", NO_SUBQUERIES),
    ("SELECT id FROM (SELECT id FROM docs)", "(", NO_SUBQUERIES),
    ("SELECT id FROM docs WHERE (SELECT id FROM other) = 1", "SELECT", NO_SUBQUERIES),
    ("SELECT id FROM docs WHERE EXISTS (select id FROM other)", "select", NO_SUBQUERIES),
    (
        "SELECT id FROM docs WHERE a = ( SELECT b FROM other)",
        "SELECT",
        "there are no subqueries; run the inner statement first and pass its rows as a parameter",
    ),
    # SELECT TOP n
    ("SELECT TOP 5 id FROM docs", "TOP", "there is no SELECT TOP; write LIMIT 5 at the end"),
    # LIMIT a, b
    ("SELECT id FROM docs LIMIT ?, ?", ",", "there is no LIMIT ?, n; write LIMIT n OFFSET ?"),
    # metadata.*
    ("SELECT metadata.* FROM docs", "metadata.*", "there is no metadata.*; write metadata for all of it"),
    ("SELECT metadata.a.* FROM docs", "*", "expected a name, found '*'"),
    # functions and arithmetic in SELECT
    ("SELECT COUNT() FROM docs", "COUNT()", "COUNT needs an argument: COUNT(*) or COUNT(field)"),
    ("SELECT SUM() FROM docs", "SUM()", "SUM needs an argument: SUM(field)"),
    ("SELECT SUM(*) FROM docs", "SUM(*)", "SUM(*) has no meaning; write SUM(field)"),
    ("SELECT MAX(price x) FROM docs", "x", "expected an operator, AND, AS, FROM, OR, ')' or ',', found x"),
    # quotes
    ("SELECT id FROM 'my docs'", "'my docs'", "expected a collection, found a string; write FROM `my docs`"),
    ("SELECT id FROM docs AS 'd'", "'d'", "expected a name, found a string; write d"),
    ("SELECT id FROM docs WHERE a = \u2019x", "\u2019", "\u2019 is not a quotation mark of SQL; write ' or \""),
    ("SELECT id FROM docs WHERE a = 'x", "'", "the string that opens here has no closing quote"),
    ("SELECT id FROM docs WHERE `a = 'x'", "`", "the name that opens here has no closing quote"),
    ("SELECT id FROM docs /* LIMIT 5", "/", "the comment that opens here has no closing */"),
    ("SELECT `` FROM docs", "``", "a quoted name is empty"),
    ("SELECT metadata[''] FROM docs", "['']", "the name of a metadata key is empty"),
    # SHOW TABLES
    ("SHOW TABLES", "TABLES", "there are no tables; write SHOW COLLECTIONS"),
    ("SHOW COLECTIONS", "COLECTIONS", "unknown word COLECTIONS; did you mean COLLECTIONS?"),
    ("DESCRIBE logs-*", "logs-*", "DESCRIBE takes one collection, not a pattern"),
    # KNN, BM25, RRF
    ("SELECT id FROM docs RANK BY KNN(vec, 'q')", "vec", "KNN takes the query first: KNN('words', key = vec)"),
    ("SELECT id FROM docs RANK BY KNN(metadata.vec, 'q')", "metadata", "KNN takes the query first"),
    ("SELECT id FROM docs RANK BY KNN(query = vec)", "vec", "KNN takes the query first: KNN('words', key = vec)"),
    ("SELECT id FROM docs RANK BY KNN(query = TRUE)", "TRUE", "KNN takes a text or a vector: a list of"),
    ("SELECT id FROM docs RANK BY KNN(limit = 5)", "KNN(limit = 5)", "KNN needs a query"),
    ("SELECT id FROM docs RANK BY KNN('a', limit = 0)", "0", "limit takes a whole number of at least 1"),
    ("SELECT id FROM docs RANK BY KNN('a', limit = [1])", "[1]", "limit takes a whole number of at least 1"),
    ("SELECT id FROM docs RANK BY KNN('a', limt = 5)", "limt = 5", "KNN has no argument limt; did you mean limit?"),
    ("SELECT id FROM docs RANK BY KNN('a', limit = 1, limit = 2)", "limit = 2", "KNN has limit twice"),
    ("SELECT id FROM docs RANK BY KNN('a', limit = 5, 'b')", "'b'", "KNN takes one query"),
    ("SELECT id FROM docs RANK BY KNN('a', query = 'b')", "query = 'b'", "KNN has its query twice"),
    ("SELECT id FROM docs RANK BY KNN('a', key = [1])", "[1]", "key takes a string"),
    ("SELECT id FROM docs RANK BY KNN('a', key = 1)", "1", "key takes a string"),
    ("SELECT id FROM docs RANK BY KNN({1.5: 2})", "1.5", "an index of a sparse vector is a whole number"),
    (
        "SELECT id FROM docs RANK BY BM25('a', 'b')",
        "'b'",
        "BM25 takes one query; its other arguments are named: limit =",
    ),
    ("SELECT id FROM docs RANK BY BM25('a', limit = 0)", "0", "limit takes a whole number of at least 1"),
    ("SELECT id FROM docs RANK BY RRF(KNN('a'), weights = [1, 2])", "[1, 2]", "weights takes one number for each"),
    ("SELECT id FROM docs RANK BY RRF(KNN('a'), weights = 1)", "1", "weights takes a list of numbers"),
    ("SELECT id FROM docs RANK BY RRF([])", "]", "expected an expression, found ']'"),
    (
        "SELECT id FROM docs USING EMBEDDING (VECTOR [])",
        "[]",
        "VECTOR takes a vector: a list of numbers or {index: weight}; this one is empty",
    ),
    ("SELECT id FROM docs USING EMBEDDING (VECTOR ['a'])", "'a'", "VECTOR takes a vector: a list of numbers"),
    # values that do not fit their place
    ("SELECT id FROM docs OFFSET 1.5", "1.5", "OFFSET takes a whole number"),
    ("SELECT id FROM docs TOPK 1e3", "1e3", "TOPK takes a whole number"),
    ("SELECT id FROM docs GROUP BY a KEEP 0", "0", "KEEP takes a whole number of at least 1"),
    ("SELECT id FROM docs RANK BY KNN('a', default = 'x')", "'x'", "default takes a number"),
    ("SELECT id FROM docs RANK BY KNN('a', return_rank = 1)", "1", "return_rank takes TRUE or FALSE"),
    ("SELECT id FROM docs RANK BY BM25('a', k1 = -1)", "-1", "k1 takes a number of at least 0"),
    ("SELECT id FROM docs RANK BY BM25('a', b = 2)", "2", "b takes a number from 0 to 1"),
    ("SELECT id FROM docs RANK BY RRF(KNN('a'), k = 0)", "0", "k takes a number above 0"),
    (
        "SELECT id FROM docs RANK BY RRF(KNN('a'), weights = [-1])",
        "-1",
        "weights takes a list of numbers of at least 0",
    ),
    ("SELECT id FROM docs RANK BY RRF(KNN('a'), normalize = 1)", "1", "normalize takes TRUE or FALSE"),
    (f"SELECT id FROM docs WITH SCORE THRESHOLD 1{'0' * 400}", f"1{'0' * 400}", "the number is too large"),
    # a clause or an option given twice
    ("SELECT id FROM docs LIMIT 5 LIMIT 6", "LIMIT 6", "LIMIT is given twice"),
    ("SELECT id FROM docs HAVING a = 1 HAVING b = 2", "HAVING b = 2", "HAVING is given twice; combine with AND"),
    ("SELECT id FROM docs WITH (a = 1) WITH (b = 2)", "WITH (b = 2)", "WITH is given twice"),
    ("SELECT id FROM docs WITH (a = 1, A = 2)", "A = 2", "WITH has a twice"),
    # INSERT, UPDATE, DELETE
    ("INSERT INTO docs VALUES (1)", "INSERT", "ChromaSQL is read-only; there is no INSERT"),
    ("update docs SET a = 1", "update", "ChromaSQL is read-only; there is no UPDATE"),
    ("EXPLAIN DELETE FROM docs", "DELETE", "ChromaSQL is read-only; there is no DELETE"),
    ("-- first\n/* then */ DROP TABLE docs", "DROP", "ChromaSQL is read-only; there is no DROP"),
    # misspelt keywords
    ("SELCT id FROM docs", "SELCT", "unknown word SELCT; did you mean SELECT?"),
    ("SELECT id FORM docs", "FORM", "unknown word FORM; did you mean FROM?"),
    ("SELECT id FROM docs\nWHERE year > 2020 LIMTI 5", "LIMTI", "unknown clause LIMTI; did you mean LIMIT?"),
    ("SELECT id FROM docs ORDR BY a", "ORDR", "unknown clause ORDR; did you mean ORDER BY?"),
    ("SELECT id FROM docs ORDER YB a", "YB", "expected BY, found YB"),
    ("SELECT id FROM docs LIMIT 5 FOO", "FOO", "unknown clause FOO; a clause is one of GROUP BY, HAVING, LIMIT"),
    ("SELECT id FROM docs SIMILARITY EUCLID", "EUCLID", "expected COSINE, IP or L2, found EUCLID"),
    # values
    ("SELECT id FROM docs WHERE a = 1e999", "1e999", "the number is too large"),
    (f"SELECT id FROM docs WHERE a = 1{'0' * 5000}", f"1{'0' * 5000}", "the number is too large"),
    ("SELECT id FROM docs WHERE a = $0", "$0", "positions of parameters count from $1"),
    (r"SELECT id FROM docs WHERE a = 'x\x1'", r"\x", r"\x is not a character; write \\ for a backslash"),
    (r"SELECT id FROM docs WHERE a = '\ud800'", r"\ud800", r"\ud800 is not a character"),
    (r"SELECT id FROM docs WHERE a = '\N{NO SUCH}'", r"\N{NO SUCH}", r"\N{NO SUCH} is not a character"),
    (r"SELECT id FROM docs WHERE a = '\U99999999'", r"\U99999999", r"\U99999999 is not a character"),
    ("SELECT id FROM docs WHERE a = '\ud800'", "\ud800", "unpaired surrogate: not valid Unicode"),
    # characters
    ("SELECT naïve FROM docs", "ï", "a name that holds ï needs backticks"),
    ("SELECT id\u00a0FROM docs", "\u00a0", "unexpected character U+00A0, NO-BREAK SPACE"),
    ("SELECT id\x00FROM docs", "\x00", "unexpected character U+0000, a control character"),
    (
        "SELECT id FROM docs WHERE a # 1",
        "#",
        "expected an operator, a clause, AND, OR, ';' or the end of the statement, found '#'",
    ),
    # aliases
    (
        "SELECT a.x FROM a, b",
        "a.x",
        "a.x names one of several collections, but a field is read from all of them; write x",
    ),
    # the end of the text
    ("", "", "expected DESCRIBE, EXPLAIN, SELECT or SHOW, found the end of the statement"),
    ("SELECT id FROM docs WHERE (a = 1", "", "expected ')', found the end of the statement"),
    ("SELECT id FROM", "", "expected a collection or a parameter, found the end of the statement"),
    ("SELECT id FROM docs ORDER BY", "", "expected an expression, found the end of the statement"),
    ("SELECT id FROM docs;;", ";", "expected DESCRIBE, EXPLAIN, SELECT, SHOW or the end of the statement, found ';'"),
    (f"SELECT id FROM docs WHERE a = 1 {'b' * 50}", "b" * 50, f"..found {'b' * 37}..."),
]


def refusal(text):
    with pytest.raises(ChromaSQLParseError) as caught:
        parse_script(text)
    return caught.value


@pytest.mark.parametrize(("text", "marked", "message"), SHARED + HINTS)
def test_message_and_caret(text, marked, message):
    """What cannot be read is refused with the fix, and the carets stand under what is wrong."""
    error = refusal(text)
    assert error.source == text
    assert text[slice(*error.span)] == marked
    if message.startswith(".."):
        assert error.message.endswith(message[2:])
    else:
        assert error.message.startswith(message)


CODES = [
    ("SELECT id FROM docs WHERE", "syntax-error"),
    ("SELECT id FROM docs WHERE a = 'x", "syntax-error"),
    ("SELECT id FROM docs LIMIT 1 FOO", "unknown-clause"),
    ("SELECT id FROM docs LIMTI 1", "unknown-clause"),
    ("SELECT id FROM docs RANK BY KNN('a', limt = 5)", "unknown-argument"),
    ("SELECT id FROM docs RANK BY KNN()", "missing-argument"),
    ("SELECT id FROM docs RANK BY KNN(limit = 5)", "missing-argument"),
    ("SELECT COUNT() FROM docs", "missing-argument"),
    ("SELECT id FROM docs LIMIT 1.5", "invalid-argument"),
    ("SELECT id FROM docs RANK BY KNN('a', limit = 0)", "invalid-argument"),
    ("SELECT id FROM docs WHERE limit = 5", "reserved-word"),
    ("SELECT id FROM docs LIMIT 1 LIMIT 2", "duplicate-clause"),
    ("SELECT id FROM docs WITH (a = 1, a = 2)", "duplicate-argument"),
    ("SELECT id FROM docs RANK BY KNN('a') USING EMBEDDING (TEXT 'a')", "conflicting-clauses"),
    ("SELECT a.x FROM a, b", "invalid-qualifier"),
    ("SELECT id FROM docs WHERE a = 1e999", "invalid-literal"),
    ("SELECT id FROM docs WHERE a = '\ud800'", "invalid-literal"),
    ("SELECT id FROM a JOIN b", "unsupported-syntax"),
    ("DELETE FROM docs", "unsupported-syntax"),
    ("SELECT id FROM docs WHERE id IN (SELECT id FROM b)", "unsupported-syntax"),
    (f"SELECT id FROM docs WHERE {'(' * 201}", "too-deep"),
    (f"SELECT id FROM docs WHERE {'NOT ' * 101} a = 1", "too-deep"),
    (f"SELECT id FROM docs WHERE a IN ({', '.join(['?'] * 10_001)})", "too-long"),
    (" " * 1_000_001, "too-long"),
]


@pytest.mark.parametrize(("text", "code"), CODES, ids=[text[:60] for text, _ in CODES])
def test_codes(text, code):
    """An error of the parser says by its code what a client can do about it."""
    assert refusal(text).code == code


def test_all_refused_examples_are_in_the_table():
    """Each statement that the language refuses has its message pinned."""
    assert [text for text, _, _ in SHARED] == REFUSED


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ("SELECT id FROM docs ORDR BY 5", 1, 21),
        ("SELECT id FROM docs WHERE a = ", 1, 30),
        ("SELECT id\nFROM docs\nWHERE year > 2020 LIMTI 5", 3, 19),
        ("SELECT id FROM docs WHERE a =   -- which?\n\n", 1, 30),
        ("SELECT id FROM docs WHERE\n", 1, 26),
        ("-- nothing", 1, 11),
        ("SELECT id FROM docs;\nDROP TABLE docs", 2, 1),
        ("", 1, 1),
    ],
)
def test_position(text, line, column):
    """Line and column count from 1, and the end of the statement is after its last character."""
    assert refusal(text).position == (line, column)


def test_drawing():
    """An error prints its message, the line of the statement and the carets."""
    assert str(refusal("SELECT id\nFROM docs\nWHERE year > 2020 LIMTI 5")) == (
        "unknown clause LIMTI; did you mean LIMIT?\n  3 | WHERE year > 2020 LIMTI 5\n    |                   ^^^^^"
    )


@pytest.mark.parametrize("text", [*REFUSED, "SELECT id FROM docs WHERE a.b.c = '\\x'"])
def test_errors_pickle(text):
    """An error of the parser survives pickling with its message, span, source and drawing."""
    error = refusal(text)
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), again.message, again.span, again.source, str(again)) == (
        type(error),
        error.message,
        error.span,
        error.source,
        str(error),
    )


@pytest.mark.parametrize("text", REFUSED)
def test_no_error_of_lark_shows(text):
    """No exception of Lark stands behind an error of the parser."""
    error = refusal(text)
    assert error.__cause__ is None
    assert error.__suppress_context__ or error.__context__ is None


@pytest.mark.parametrize("text", [None, 5, b"SELECT id FROM docs", ["SELECT"]])
def test_not_a_text(text):
    """What is not a str is refused with an error of ours, hashable or not."""
    with pytest.raises(ChromaSQLParseError, match="a statement is a str, not"):
        parse(text)


def test_two_statements():
    """Where one statement is asked for, two are refused; the caret shows where the second begins."""
    with pytest.raises(ChromaSQLParseError, match="more than one statement") as caught:
        parse("SHOW COLLECTIONS; DESCRIBE docs")
    assert caught.value.position == (1, 19)
    assert caught.value.code == "multiple-statements"


def test_the_text_belongs_to_the_error_of_each_parse():
    """A text refused once is refused again in the same words: errors are not kept."""
    assert refusal("SELECT") is not refusal("SELECT")
    assert str(refusal("SELECT")) == str(refusal("SELECT"))
