"""
ChromaSQL: one SQL statement, many Chroma collections, one right answer.

>>> import chromasql
>>> with chromasql.connect("my-chroma") as db:  # doctest: +SKIP
...     for row in db.execute("SELECT id, distance FROM docs-* USING EMBEDDING (TEXT :q) TOPK 5", {"q": "jackets"}):
...         print(row)
"""

from chromasql import ast
from chromasql.adapters import (
    AsyncMultiCollectionAdapter,
    HttpProvider,
    MemoryProvider,
    MetadataFieldRouter,
    PatternRouter,
    SimpleAsyncClientAdapter,
    StaticRouter,
    load_query_config,
)
from chromasql.analysis import bind_parameters, extract_metadata_values
from chromasql.database import AsyncDatabase, Database, connect, connect_async
from chromasql.embedding import batch_embedder
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
from chromasql.multi_collection import execute_multi_collection
from chromasql.parser import parse, parse_script
from chromasql.plan import PlanWarning, QueryPlan, plan_to_dict
from chromasql.planner import Settings, build_plan
from chromasql.printer import print_script, print_statement
from chromasql.protocols import AsyncCollection, AsyncCollectionProvider, CollectionRouter
from chromasql.result import ExecutionResult, Outcome

__version__ = "2.0.0"

__all__ = [
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
    "CollectionRouter",
    "Database",
    "ExecutionResult",
    "Failure",
    "HttpProvider",
    "MemoryProvider",
    "MetadataFieldRouter",
    "Outcome",
    "PatternRouter",
    "PlanWarning",
    "QueryPlan",
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
    "parse",
    "parse_script",
    "plan_to_dict",
    "print_script",
    "print_statement",
]
