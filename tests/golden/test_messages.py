"""
Golden messages: what parser and planner say to the statements in ``messages.sql``.

``pytest --update-golden`` writes ``messages.txt``: each statement, carets under what is wrong, and the message with its code.
"""

from __future__ import annotations

from pathlib import Path

import pytest

import chromasql

GOLDEN = Path(__file__).parent


def _answers() -> str:
    """Return each line of ``messages.sql`` with what the parser or the planner says to it."""
    written = []
    for line in (GOLDEN / "messages.sql").read_text("utf-8").splitlines():
        if not line or line.startswith("--"):
            written.append(line)
            continue
        with pytest.raises(chromasql.ChromaSQLError) as refused:
            chromasql.build_plan(chromasql.parse(line))
        start, end = refused.value.span or (0, 0)
        carets = " " * start + "^" * max(end - start, 1)
        written += [line, carets, f"  {refused.value.message} [{refused.value.code}]"]
    return "\n".join(written) + "\n"


def test_messages(request: pytest.FixtureRequest) -> None:
    """What other dialects write is refused with what to write instead, and the carets stand under it; most of these misled before."""
    answers = _answers()
    file = GOLDEN / "messages.txt"
    if request.config.getoption("--update-golden"):
        file.write_text(answers, "utf-8")

    assert answers == file.read_text("utf-8")


def test_guesses_are_near() -> None:
    """A word is guessed only where it is nearly right; MEDIAN was answered by MIN, and WHEN by WHERE, before."""
    guessed = [line for line in _answers().splitlines() if "did you mean" in line]

    assert guessed == []


def test_brackets_without_arguments() -> None:
    """RERANK BY MMR() is RERANK BY MMR, which was refused before."""
    sql = "SELECT id FROM docs RANK BY KNN('x') RERANK BY MMR"

    assert chromasql.parse(f"{sql}()") == chromasql.parse(sql)


@pytest.mark.parametrize("key", ["NULL", "true", "False"])
def test_a_key_with_the_name_of_a_value(key: str) -> None:
    """A metadata key may be called NULL, in backticks, and is printed in them."""
    statement = chromasql.parse(f"SELECT `{key}` FROM docs WHERE `{key}` = 1")

    assert chromasql.parse(chromasql.print_statement(statement)) == statement
    assert f"`{key}` = 1" in chromasql.print_statement(statement)
