"""The grammar: it is LALR(1) without a conflict, its tables are up to date, and words are whole words."""

import json
import re
import subprocess
import sys
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lark.exceptions import UnexpectedCharacters, UnexpectedToken

from chromasql import ast, grammar
from chromasql.errors import ChromaSQLParseError
from chromasql.grammar.__main__ import FILE, make_tables
from chromasql.parser import parse, parse_script
from tests.support.examples import ACCEPTED, REFUSED


def test_strict():
    """The grammar has no conflict between rules and no collision between terminals."""
    assert grammar.compile_grammar(strict=True).parse("SELECT id FROM docs")


def test_tables_are_those_of_the_grammar():
    """``tables.json`` holds what ``grammar.lark`` compiles to (``python -m chromasql.grammar`` writes it)."""
    shipped, made = (json.loads(text) for text in (FILE.read_text("utf-8"), make_tables()))
    assert shipped["made_from"]["grammar"] == made["made_from"]["grammar"]
    assert shipped["memo"] == made["memo"]
    assert shipped["data"] == made["data"]


def test_tables_of_another_grammar_are_left_alone(monkeypatch):
    """Where the tables were made from other sources, the grammar is compiled."""
    monkeypatch.setattr(grammar, "fingerprint", lambda: {"grammar": "", "lark": "0.0"})
    compiled = grammar.load_grammar()
    monkeypatch.undo()
    loaded = grammar.load_grammar()
    for text in ACCEPTED:
        assert compiled.parse(text) == loaded.parse(text)
    for text in REFUSED:
        assert bool(fails(compiled, text)) == bool(fails(loaded, text))


def fails(lark, text):
    try:
        lark.parse(text)
    except Exception as error:
        return error
    return None


PIECES = (
    *(
        "SELECT ",
        "select\t",
        "id",
        "*",
        " FROM ",
        "docs-1",
        "a.b",
        "FROM",
        " WHERE ",
        "x",
        "assets",
        " AS ",
        "is",
        " IS ",
        "NOT",
        "NULL",
    ),
    *(
        " ",
        "\n",
        "-- a\n",
        "--",
        "-",
        "- -1",
        "/* b */",
        "/*",
        "*/",
        "/",
        "'c'",
        "'",
        '"d"',
        '"',
        "`e`",
        "1",
        ".5",
        "2e3",
        ":p",
        "?",
    ),
    *(
        "=",
        "=>",
        "<>",
        "(",
        ")",
        "[",
        "]",
        ",",
        ";",
        " LIMIT ",
        " RANK BY ",
        "KNN",
        "\u017felect",
        "é",
        "\x00",
        " AND ",
        " IN ",
    ),
)


@given(st.one_of(st.sampled_from(ACCEPTED + REFUSED), st.lists(st.sampled_from(PIECES), max_size=14).map("".join)))
def test_the_lexer_reads_as_larks(text):
    """The shipped parser, whose lexer is ours, builds the tree of Lark's own, or complains of the same at the same place."""
    assert outcome(grammar.load_grammar, text) == outcome(grammar.compile_grammar, text)


@cache
def made(make):
    return make()


def outcome(make, text):
    try:
        return made(make).parse(text)
    except UnexpectedToken as error:
        return "token", error.token.type, str(error.token), error.token.start_pos, error.token.end_pos, error.accepts
    except UnexpectedCharacters as error:
        return "characters", error.pos_in_stream, error.allowed
    except ChromaSQLParseError as error:
        return str(error), error.span


def test_importing_is_cheap():
    """Importing the parser and the printer loads no Lark, no chromadb and no numpy, and compiles nothing."""
    program = (
        "import sys, chromasql.parser, chromasql.printer\n"
        "print(sorted({'lark', 'chromadb', 'numpy', 'typer'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_keywords():
    """The keywords are read from the grammar itself: each is a terminal that ignores case."""
    assert {"SELECT", "WHERE_DOCUMENT", "BM25", "L2"} <= grammar.keywords()
    assert grammar.keywords() >= grammar.RESERVED
    assert "NAME" not in grammar.keywords()


@pytest.mark.parametrize("keyword", sorted(grammar.keywords()))
@pytest.mark.parametrize("spelling", [str.upper, str.lower, str.title])
def test_any_word_is_a_name(keyword, spelling):
    """After FROM, AS and a dot every keyword is a name, in any case."""
    word = spelling(keyword)
    query = parse(
        f"SELECT metadata.{word} AS {word} FROM {word} AS {word} "
        f"WHERE metadata.{word} = 1 ORDER BY metadata.{word} GROUP BY a.{word}"
    )
    assert query.projection.items[0] == ast.ProjectionItem(ast.Field("metadata", (word,)), word)
    assert query.sources == (ast.Source(word, word),)
    assert query.group_by.keys == (ast.Field("metadata", ("a", word), bare=True),)


@pytest.mark.parametrize("keyword", sorted(grammar.keywords()))
def test_words_are_whole(keyword):
    """A name that begins or ends with a keyword is a name, and no keyword is glued to its neighbour."""
    for name in (f"{keyword}x", f"x{keyword}", f"{keyword}_", f"_{keyword}", f"{keyword}{keyword}", f"{keyword}1"):
        if name.upper() in grammar.keywords():
            continue
        query = parse(f"SELECT {name} FROM {name} WHERE {name} = 1 ORDER BY {name} RANK BY {name}")
        field = ast.Field("metadata", (name,), bare=True)
        assert query.where.operand == query.rank == query.order_by[0].operand == field


@pytest.mark.parametrize(
    "text",
    [
        "SELECT id FROM docs WHERE a = 1 organization = 2",
        "SELECT id FROM docs WHERE a = 1 android = 2",
        "SELECT idFROM docs",
        "SELECT id FROM docs LIMIT5",
        "SELECT id FROM docs WHERE a INx",
        "SELECT id FROM docs ORDER BYx",
    ],
)
def test_no_keyword_is_cut_out_of_a_word(text):
    """A keyword is read only where it is the whole word."""
    with pytest.raises(ChromaSQLParseError):
        parse(text)


@pytest.mark.parametrize(
    "text",
    ["\u017fELECT id FROM docs", "SELECT id FROM docs L\u0131MIT 1", "SELECT id FROM docs WHERE a li\u212ae 'x'"],
)
def test_keywords_are_ascii(text):
    """Letters that only Unicode's case folding takes for ASCII spell no keyword."""
    with pytest.raises(ChromaSQLParseError):
        parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "-- before\nSELECT id FROM docs LIMIT 5",
        "SELECT id -- columns, 'quoted' and /* not a comment\nFROM docs LIMIT 5",
        "SELECT/**/id/* * / */FROM/*\n*/docs LIMIT 5",
        "SELECT id FROM docs LIMIT 5 -- the end",
        "SELECT id FROM docs LIMIT 5; /* the end */ -- really",
    ],
)
def test_comments(text):
    """Comments stand wherever white space does."""
    assert parse(text) == parse("SELECT id FROM docs LIMIT 5")


def test_comments_in_strings_and_names():
    """In quotes, what looks like a comment is text."""
    query = parse("SELECT id FROM `a--b` WHERE x = '-- /* no */' AND `/*y*/` = 1")
    assert query.sources[0].name == "a--b"
    assert query.where.predicates[0].value == ast.Literal("-- /* no */")
    assert query.where.predicates[1].operand == ast.Field("metadata", ("/*y*/",), bare=True)


@given(st.lists(st.sampled_from([" ", "\t", "\n", "\r\n", "\f", "/* x */", "-- x\n"]), min_size=1).map("".join))
def test_white_space(space):
    """Any mixture of white space and comments separates words."""
    words = "SELECT id , year FROM docs AS d WHERE a = 1 AND b IN ( 1 , 2 ) LIMIT 5 ;"
    assert parse(space.join(words.split(" "))) == parse(words)


def test_scripts():
    """Statements are separated by semicolons; one may follow the last."""
    texts = ["SELECT id FROM a", "SHOW COLLECTIONS", "DESCRIBE b"]
    expected = tuple(map(parse, texts))
    assert parse_script(";".join(texts)) == parse_script("; \n".join(texts) + " ;\n") == expected


def test_every_terminal_has_a_spoken_name():
    """What an error expects is said in words or in quotes, never by the name of a terminal."""
    lark = grammar.load_grammar()
    patterns = {each.name: each.pattern.value for each in lark.terminals if each.pattern.type == "str"}
    for terminal in {each.name for each in lark.terminals} - {"WS", "COMMENT"} - grammar.keywords():
        (spoken,) = grammar.describe_terminals({terminal}, patterns)
        assert re.search(r"^(a|an|the) |^'.+'$", spoken), terminal
