"""Questions that a tree answers without data: its parameters, and the values that WHERE allows."""

from __future__ import annotations

from chromasql import _publish
from chromasql.analysis.metadata_values import extract_metadata_values
from chromasql.analysis.parameters import Parameters, bind_parameters, parameters_of, share_parameters

__all__ = ["Parameters", "bind_parameters", "extract_metadata_values", "parameters_of", "share_parameters"]

_publish(__name__)
