"""Ready-made plugs: clients, Chroma's REST interface, several servers, memory, routers."""

from chromasql import _publish
from chromasql.adapters.clients import FolderProvider, SimpleAsyncClientAdapter
from chromasql.adapters.http import HttpProvider
from chromasql.adapters.idxr import AsyncMultiCollectionAdapter
from chromasql.adapters.memory import MemoryProvider
from chromasql.adapters.routers import MetadataFieldRouter, PatternRouter, StaticRouter, load_query_config
from chromasql.adapters.servers import ServersProvider

__all__ = [
    "AsyncMultiCollectionAdapter",
    "FolderProvider",
    "HttpProvider",
    "MemoryProvider",
    "MetadataFieldRouter",
    "PatternRouter",
    "ServersProvider",
    "SimpleAsyncClientAdapter",
    "StaticRouter",
    "load_query_config",
]

_publish(__name__)
