"""A tree to canonical text."""

from __future__ import annotations

from chromasql import _publish
from chromasql.printer.expressions import column_name, print_expression
from chromasql.printer.statements import print_script, print_statement

__all__ = ["column_name", "print_expression", "print_script", "print_statement"]

_publish(__name__)
