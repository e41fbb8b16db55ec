"""The table of what may stand where: parser and ``bind_parameters`` read the same one."""

import pytest

from chromasql import ChromaSQLParseError, ChromaSQLPlanningError, bind_parameters, parse
from chromasql.analysis.slots import _SLOTS
from chromasql.ast.traversal import content_names

PLACES = [
    "GROUP BY a KEEP {}",
    "LIMIT {}",
    "OFFSET {}",
    "TOPK {}",
    "WITH SCORE THRESHOLD {}",
    "RANK BY BM25('q', b = {})",
    "RANK BY BM25('q', default = {})",
    "RANK BY BM25('q', k1 = {})",
    "RANK BY BM25('q', limit = {})",
    "RANK BY BM25('q', return_rank = {})",
    "RANK BY KNN('q', default = {})",
    "RANK BY KNN('q', key = {})",
    "RANK BY KNN('q', limit = {})",
    "RANK BY KNN('q', return_rank = {})",
    "RANK BY KNN(query = {})",
    "RANK BY RRF(KNN('q'), default = {})",
    "RANK BY RRF(KNN('q'), k = {})",
    "RANK BY RRF(KNN('q'), normalize = {})",
    "RANK BY RRF(KNN('q'), require_all = {})",
    "RANK BY RRF(KNN('q'), weights = [{}])",
    "USING EMBEDDING (VECTOR [{}])",
]

SCALARS = {
    "NULL": None,
    "TRUE": True,
    "'a'": "a",
    "-1": -1,
    "0": 0,
    "1": 1,
    "2": 2,
    "0.5": 0.5,
    "-0.5": -0.5,
    f"1{'0' * 400}": 10**400,
}


def test_every_slot_is_a_field():
    """Each row of the table names a field of its class of nodes, so that a renamed field takes its slot along."""
    assert [(kind, name) for kind, name in _SLOTS if name not in content_names(kind)] == []


def fits_in_text(statement: str, written: str) -> bool:
    try:
        parse(statement.format(written))
    except ChromaSQLParseError:
        return False
    return True


def fits_as_parameter(statement: str, value: object) -> bool:
    try:
        bind_parameters(parse(statement.format(":p")), {"p": value})
    except ChromaSQLPlanningError:
        return False
    return True


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("written", SCALARS, ids=lambda written: written[:5])
def test_text_and_parameters_take_the_same(place: str, written: str):
    """A value is refused in the text exactly where it is refused as a parameter; for default, k1, b and k it was not."""
    statement = f"SELECT id FROM docs {place}"

    assert fits_in_text(statement, written) is fits_as_parameter(statement, SCALARS[written])


def test_numbers_beyond_floats():
    """A number that no float can hold is refused in the text as it is as a parameter; digits alone were taken."""
    statement = "SELECT id FROM docs WHERE a = {}"

    assert not fits_in_text(statement, str(10**400))
    assert not fits_as_parameter(statement, 10**400)
    assert fits_in_text(statement, str(10**300))
    assert fits_as_parameter(statement, 10**300)
