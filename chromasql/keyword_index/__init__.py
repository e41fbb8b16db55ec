"""Kept word counts of collections, so that BM25 need not read their documents."""

from chromasql import _publish
from chromasql.keyword_index.segment import Segment, SegmentBuilder
from chromasql.keyword_index.store import KeywordIndex, KeywordIndexStatus

__all__ = ["KeywordIndex", "KeywordIndexStatus", "Segment", "SegmentBuilder"]

_publish(__name__)
