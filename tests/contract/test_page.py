"""The page and the tests of the contract tell the same."""

import inspect
from types import ModuleType

from tests.contract import test_filtering, test_searching, test_server, test_two_processes, test_writing
from tests.contract.page import read_behaviours, read_columns

MODULES = (test_writing, test_filtering, test_searching, test_two_processes, test_server)


def names_of(module: ModuleType) -> list[str]:
    return [name for name, _ in inspect.getmembers(module, inspect.isfunction) if name.startswith("test_")]


def test_each_behaviour_has_one_test():
    """Each heading of the page is the name of a test, and each test that of a heading."""
    headings = [behaviour.test for behaviour in read_behaviours()]

    assert sorted(headings) == sorted(name for module in MODULES for name in names_of(module))


def test_the_table_has_each_behaviour():
    """Each column of the table says yes or no of every behaviour."""
    anchors = {behaviour.anchor for behaviour in read_behaviours()}
    columns = read_columns()

    assert columns.keys() >= {"1.5.2", "1.5.9"}
    for column in columns.values():
        assert column.keys() == anchors
        assert set(column.values()) <= {"yes", "**no**"}
