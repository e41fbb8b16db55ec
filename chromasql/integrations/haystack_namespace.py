"""
The retriever under the name that Haystack loads.

The wheel has this file as ``haystack_integrations/components/retrievers/chromasql.py``, beside those of other stores.
"""

from __future__ import annotations

from chromasql.integrations.haystack import ChromaSQLRetriever

__all__ = ["ChromaSQLRetriever"]
