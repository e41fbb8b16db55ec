"""
What ChromaSQL costs beside the fan-out that one would write by hand: ``python -m tests.benchmarks``.

Each module measures one thing and returns plain figures; `tests.benchmarks.report` turns them into ``docs/benchmarks.md``.
"""
