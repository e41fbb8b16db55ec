"""
ChromaSQL: one SQL statement, many Chroma collections, one right answer.

>>> import chromasql
>>> with chromasql.connect("my-chroma") as db:  # doctest: +SKIP
...     for row in db.execute("SELECT id, distance FROM docs-* USING EMBEDDING (TEXT :q) TOPK 5", {"q": "jackets"}):
...         print(row)
"""

from __future__ import annotations

import re as _re
import sys as _sys
import types as _types
import typing as _t
from importlib import import_module as _import_module

if _t.TYPE_CHECKING:
    from chromasql import ast
    from chromasql.adapters import (
        AsyncMultiCollectionAdapter,
        HttpProvider,
        MemoryProvider,
        MetadataFieldRouter,
        PatternRouter,
        ServersProvider,
        SimpleAsyncClientAdapter,
        StaticRouter,
        load_query_config,
    )
    from chromasql.analysis import bind_parameters, extract_metadata_values, parameters_of
    from chromasql.database import AsyncDatabase, Database, connect, connect_async, measure_recall
    from chromasql.errors import (
        ChromaSQLError,
        ChromaSQLExecutionError,
        ChromaSQLParseError,
        ChromaSQLPlanningError,
        ChromaSQLRoutingError,
        ChromaSQLTimeoutError,
        Failure,
    )
    from chromasql.executor import execute_plan
    from chromasql.explain import explain_plan
    from chromasql.keyword_index import KeywordIndexStatus
    from chromasql.multi_collection import execute_multi_collection
    from chromasql.multi_collection.keywords import KeywordIndexProgress
    from chromasql.multi_collection.recall import CollectionRecall, RecallProgress, RecallReport
    from chromasql.operators.rerank import REQUIRED, RerankRequest, register_reranker
    from chromasql.parser import parse, parse_script
    from chromasql.plan import PlanWarning, QueryPlan, plan_to_dict
    from chromasql.planner import Settings, build_plan
    from chromasql.planner.scope import Scope
    from chromasql.printer import print_script, print_statement
    from chromasql.protocols import AsyncCollection, AsyncCollectionProvider, CollectionRouter
    from chromasql.result import ExecutionResult, Outcome
    from chromasql.retrieval.embedding import batch_embedder

__version__ = "2.0.0"

__all__ = [  # noqa: RUF022 - in plain alphabetical order, constants too
    "AsyncCollection",
    "AsyncCollectionProvider",
    "AsyncDatabase",
    "AsyncMultiCollectionAdapter",
    "ChromaSQLError",
    "ChromaSQLExecutionError",
    "ChromaSQLParseError",
    "ChromaSQLPlanningError",
    "ChromaSQLRoutingError",
    "ChromaSQLTimeoutError",
    "CollectionRecall",
    "CollectionRouter",
    "Database",
    "ExecutionResult",
    "Failure",
    "HttpProvider",
    "KeywordIndexProgress",
    "KeywordIndexStatus",
    "MemoryProvider",
    "MetadataFieldRouter",
    "Outcome",
    "PatternRouter",
    "PlanWarning",
    "QueryPlan",
    "REQUIRED",
    "RecallProgress",
    "RecallReport",
    "RerankRequest",
    "Scope",
    "ServersProvider",
    "Settings",
    "SimpleAsyncClientAdapter",
    "StaticRouter",
    "ast",
    "batch_embedder",
    "bind_parameters",
    "build_plan",
    "connect",
    "connect_async",
    "execute_multi_collection",
    "execute_plan",
    "explain_plan",
    "extract_metadata_values",
    "load_query_config",
    "measure_recall",
    "parameters_of",
    "parse",
    "parse_script",
    "plan_to_dict",
    "print_script",
    "print_statement",
    "register_reranker",
]

_HOME = {
    "AsyncCollection": "chromasql.protocols",
    "AsyncCollectionProvider": "chromasql.protocols",
    "AsyncDatabase": "chromasql.database",
    "AsyncMultiCollectionAdapter": "chromasql.adapters",
    "ChromaSQLError": "chromasql.errors",
    "ChromaSQLExecutionError": "chromasql.errors",
    "ChromaSQLParseError": "chromasql.errors",
    "ChromaSQLPlanningError": "chromasql.errors",
    "ChromaSQLRoutingError": "chromasql.errors",
    "ChromaSQLTimeoutError": "chromasql.errors",
    "CollectionRecall": "chromasql.multi_collection.recall",
    "CollectionRouter": "chromasql.protocols",
    "Database": "chromasql.database",
    "ExecutionResult": "chromasql.result",
    "Failure": "chromasql.errors",
    "HttpProvider": "chromasql.adapters",
    "KeywordIndexProgress": "chromasql.multi_collection.keywords",
    "KeywordIndexStatus": "chromasql.keyword_index",
    "MemoryProvider": "chromasql.adapters",
    "MetadataFieldRouter": "chromasql.adapters",
    "Outcome": "chromasql.result",
    "PatternRouter": "chromasql.adapters",
    "PlanWarning": "chromasql.plan",
    "QueryPlan": "chromasql.plan",
    "REQUIRED": "chromasql.operators.rerank",
    "RecallProgress": "chromasql.multi_collection.recall",
    "RecallReport": "chromasql.multi_collection.recall",
    "RerankRequest": "chromasql.operators.rerank",
    "Scope": "chromasql.planner.scope",
    "ServersProvider": "chromasql.adapters",
    "Settings": "chromasql.planner",
    "SimpleAsyncClientAdapter": "chromasql.adapters",
    "StaticRouter": "chromasql.adapters",
    "batch_embedder": "chromasql.retrieval.embedding",
    "bind_parameters": "chromasql.analysis",
    "build_plan": "chromasql.planner",
    "connect": "chromasql.database",
    "connect_async": "chromasql.database",
    "execute_multi_collection": "chromasql.multi_collection",
    "execute_plan": "chromasql.executor",
    "explain_plan": "chromasql.explain",
    "extract_metadata_values": "chromasql.analysis",
    "load_query_config": "chromasql.adapters",
    "measure_recall": "chromasql.database",
    "parameters_of": "chromasql.analysis",
    "parse": "chromasql.parser",
    "parse_script": "chromasql.parser",
    "plan_to_dict": "chromasql.plan",
    "print_script": "chromasql.printer",
    "print_statement": "chromasql.printer",
    "register_reranker": "chromasql.operators.rerank",
}


_FACES = {"chromasql"}


def _publish(module: str) -> None:
    """
    Make what a public module exports say that it lives there; each face of a folder calls this as its last line.

    So tracebacks, pickles and documentation name the path that callers import from, wherever the code stands.
    """
    _FACES.add(module)
    namespace = vars(_sys.modules[module])
    for name in namespace["__all__"]:
        _publish_as(module, namespace[name])


def _publish_as(module: str, value: _t.Any) -> None:
    home = value.__module__ if isinstance(value, type | _types.FunctionType) else ""
    # Modules at the root, such as chromasql.errors, are public themselves, unless they begin with an underscore.
    private = home.count(".") > 1 or home.startswith("chromasql._")
    if not home.startswith("chromasql.") or not private or home in _FACES:
        return
    value.__module__ = module
    # Annotations of a class are evaluated in the namespace of its module, so that has the names which they use.
    namespace, original = vars(_sys.modules[module]), vars(_sys.modules[home])
    for name in _re.findall(r"\w+", " ".join(map(str, vars(value).get("__annotations__", {}).values()))):
        if module == "chromasql" and name in _HOME and name not in namespace:
            __getattr__(name)
        elif name in original:
            namespace.setdefault(name, original[name])


def __getattr__(name: str) -> _t.Any:
    """Import what is asked for when it is asked for, so that ``import chromasql`` costs next to nothing."""
    if name == "ast":
        return _import_module("chromasql.ast")
    if name not in _HOME:
        raise AttributeError(f"module 'chromasql' has no attribute {name!r}")
    value = getattr(_import_module(_HOME[name]), name)
    globals()[name] = value
    _publish_as("chromasql", value)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
