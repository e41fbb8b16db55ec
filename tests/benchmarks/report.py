"""Figures to a page of tables and a plot."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tests.benchmarks import keyword_search
from tests.benchmarks.fanout import ratios_of

_INTRO = """# Benchmarks

What ChromaSQL costs compared with a fan-out written by hand. One command measures everything and writes this page:

```bash
python -m tests.benchmarks
```

**How.** Contenders run in turn (A B A B); a figure is the median of its runs, and a ratio is the ratio of two medians.
The records are made by the benchmark: 37 collections of 1,000 records and 370 of 100, vectors of 128 components,
documents of 800 bytes, two metadata keys. They are in a `chroma run` server on the same machine, whose work is part of every wall time, and in an
embedded `PersistentClient`. CPU is that of the client's process with all its threads; embedded, it includes Chroma's own work.

- *By hand, server*: `asyncio.gather` over `AsyncHttpClient` collections that are already open, with everything that is shown included,
  and `heapq.merge`.
- *By hand, embedded*: the same as a loop, and on a pool of 4 threads; the better of the two counts.
- *Floor*: bare requests through aiohttp for ids and distances, encoded in advance, without even parsing the answers as JSON.
- *ChromaSQL*: over an address, over a given `AsyncHttpClient`, and embedded through the blocking `connect`. The collections
  are named by a router, as the code by hand knows its own.

Each workload has clients of its own, one for the code by hand and one for ChromaSQL, since a call of chromadb's `AsyncHttpClient` costs more the more
connections it has open: querying 370 collections at once opens as many, which takes seconds, once, before anything is timed.

Before anything is timed, the contenders' answers are compared. The index is approximate and ChromaSQL requests one record more than needed, so
a few ids at the far end of a long list may differ; the table says how many are the same.
"""
_FORMS = {"address": "over an address", "client": "over a given AsyncHttpClient", "embedded": "embedded"}
_CPU_GOAL = 0.25
_FLOOR_GOAL = 1.6


def machine() -> dict[str, Any]:
    """Describe the machine without naming it."""
    return {
        "cores": os.cpu_count(),
        "processor": _processor(),
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
        "python": platform.python_version(),
        "packages": {name: version(name) for name in ("chromadb", "aiohttp", "httpx", "orjson", "lark")},
    }


def write(figures: dict[str, Any], folder: Path) -> None:
    """Write ``benchmarks.md`` and, where matplotlib is installed, ``benchmarks.svg``."""
    parts = [_INTRO, _machine(figures["machine"], figures.get("loads", {}))]
    workloads = [each for name in ("fanout", "many") if name in figures for each in figures[name]["workloads"]]
    if workloads:
        parts.append(_fanout(workloads, figures.get("fanout", {}).get("pattern")))
    for name, section in _SECTIONS.items():
        if name in figures:
            parts.append(section(figures[name]))
    (folder / "benchmarks.md").write_text("\n".join(parts).rstrip() + "\n", "utf-8")
    if not workloads:
        return
    if find_spec("matplotlib") is None:
        print("no plot: matplotlib is not installed")
        return
    _plot(workloads, folder / "benchmarks.svg")


def _machine(found: dict[str, Any], loads: dict[str, float]) -> str:
    busy = ", ".join(f"{name} {load:.1f}" for name, load in loads.items())
    packages = ", ".join(f"{name} {number}" for name, number in found["packages"].items())
    return (
        f"**Where.** {found['cores']} cores ({found['processor']}), {found['system']}, Python {found['python']} with asyncio's own loop, "
        f"{packages}. Client and server share the cores.\n\n"
        f"The load average when each part began, which includes the part before it: {busy}. If it is far above {found['cores']}, other programs used "
        "the machine, and figures in milliseconds are too high; ratios, whose contenders alternate, are affected less.\n"
    )


# Tables


def _table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    lines = [head, ["---", *("---:" for _ in head[1:])], *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines) + "\n"


def _fanout(workloads: list[dict[str, Any]], pattern: dict[str, float] | None) -> str:
    parts = [
        "## Against the code by hand\n",
        "![Wall time divided by that of the code by hand](benchmarks.svg)\n",
        "Wall time of ChromaSQL divided by that of the code by hand, with the goal in brackets.\n",
        _table(
            ("workload", *_FORMS.values(), "CPU over an address", "same ids"),
            [
                (
                    each["title"],
                    *(_against(ratio, goal) for ratio, goal in zip(_ratios(each).values(), each["goals"], strict=True)),
                    _against(each["server"]["address"]["cpu"] / each["server"]["by hand"]["cpu"], _CPU_GOAL),
                    f"{each['agreement']:.1%}",
                )
                for each in workloads
            ],
        ),
        "The same in milliseconds.\n",
        _table(
            (
                "workload",
                *("by hand, server", "over an address", "over a client", "floor"),
                *("loop, embedded", "pool, embedded", "ChromaSQL, embedded"),
            ),
            [
                (
                    each["title"],
                    *(_ms(each["server"].get(name)) for name in ("by hand", "address", "client", "floor")),
                    *(_ms(each["embedded"].get(name)) for name in ("loop", "pool", "embedded")),
                )
                for each in workloads
            ],
        ),
        "CPU of the client's process, in milliseconds.\n",
        _table(
            ("workload", "by hand, server", "over an address", "over a client", "floor"),
            [
                (
                    each["title"],
                    *(_ms(each["server"].get(name), "cpu") for name in ("by hand", "address", "client", "floor")),
                )
                for each in workloads
            ],
        ),
    ]
    top = workloads[0]["server"]
    floor = top["address"]["wall"] / top["floor"]["wall"]
    parts.append(f"Top 10 over an address, divided by the floor: {_against(floor, _FLOOR_GOAL)}.\n")
    if pattern is not None:
        parts.append(
            "Where FROM has a pattern, the names are listed first: top 10 over an address takes "
            f"{pattern['wall']:.1f} ms then.\n"
        )
    missed = [
        (each["title"], form, found)
        for each in workloads
        for form, found in each["misses"].items()
        if _ratios(each)[form] > each["goals"][list(_FORMS).index(form)]
    ]
    if missed:
        parts.append("### Goals that were missed, and where the time goes\n")
    parts += [_miss(title, form, found) for title, form, found in missed]
    return "\n".join(parts)


def _ratios(workload: dict[str, Any]) -> dict[str, float]:
    return ratios_of(workload["server"], workload["embedded"])


def _against(ratio: float, goal: float) -> str:
    """Return a ratio beside its goal, in bold where it is missed."""
    told = f"{ratio:.2f} ({goal:.2f})"
    return told if ratio <= goal else f"**{told}**"


def _ms(cost: dict[str, float] | None, which: str = "wall") -> str:
    return "" if cost is None else f"{cost[which]:.1f}"


def _miss(title: str, form: str, found: dict[str, Any]) -> str:
    return "\n".join(
        [
            f"#### {title}, {_FORMS[form]}\n",
            (
                f"Of one run of {found['total']:.1f} ms, {found['waiting']:.1f} ms had a request under way, {found['embedding']:.1f} ms went to "
                f"embedding and {found['own']:.1f} ms were ChromaSQL's own with nothing under way. Under the profiler (which slows Python down):\n"
            ),
            _profile(found["profile"]),
        ]
    )


def _profile(lines: list[dict[str, Any]]) -> str:
    return _table(
        ("function", "calls", "ms per statement", "share"),
        [
            (
                f"`{line['function'].replace('|', ' ')}`",
                f"{line['calls']:g}",
                f"{line['ms']:.2f}",
                f"{line['share']:.0%}",
            )
            for line in lines
        ],
    )


def _weighing(found: list[dict[str, Any]]) -> str:
    return "\n".join(
        [
            "## Late or at once\n",
            (
                "Wall time of fetching the parts late, for the winners alone, divided by that of fetching them with all candidates: below 1, late is faster. "
                "The constants of `chromasql/planner/materialization.py` are fitted to such times; the last column is what the planner chooses.\n"
            ),
            _table(
                ("shown, beside id", "collections", "candidates of each", "over an address", "embedded", "chosen"),
                [
                    (
                        each["shown"],
                        each["collections"],
                        each["candidates"],
                        f"{each['address']:.2f}",
                        f"{each['embedded']:.2f}",
                        each["chosen"],
                    )
                    for each in found
                ],
            ),
        ]
    )


def _sizes(found: list[dict[str, Any]]) -> str:
    sizes = list(found[0]["wall"])
    return "\n".join(
        [
            "## How many at once\n",
            (
                "Wall time in milliseconds, all 37 collections, documents and metadata, by the number of concurrent calls. Four threads, eight "
                "connections and eight calls are what ChromaSQL starts with.\n"
            ),
            _table(
                ("what is varied", "top", *sizes),
                [(each["what"], each["limit"], *(f"{each['wall'][size]:.1f}" for size in sizes)) for each in found],
            ),
        ]
    )


def _engine(found: dict[str, Any]) -> str:
    collections, rows = found["collections"], found["rows"]
    least, most = rows["10"], rows["200"]
    return "\n".join(
        [
            "## The engine alone\n",
            (
                "Collections in memory that answer immediately, top 10 of 10 rows each: the cost against their number is a straight line, and the tasks are "
                "bounded.\n"
            ),
            _table(
                ("collections", "ms of CPU", "µs per collection", "tasks at most"),
                [
                    (count, f"{cost:.2f}", f"{cost / int(count) * 1000:.0f}", found["tasks"][count])
                    for count, cost in collections.items()
                ],
            ),
            f"37 collections, n rows each, top n; a row costs {(most - least) / (37 * 190) * 1000:.2f} µs from 10 to 200 rows.\n",
            _table(("rows of each", "ms of CPU"), [(count, f"{cost:.2f}") for count, cost in rows.items()]),
            *(
                f"Profile of {name}, under the profiler:\n\n{_profile(lines)}"
                for name, lines in found["profiles"].items()
            ),
        ]
    )


def _startup(found: dict[str, Any]) -> str:
    imports, parsing = found["imports"], found["parsing"]
    base = imports["interpreter"]
    own = imports["chromasql"] - base
    first = imports["chromasql and its first statement"] - imports["chromasql"]
    parts = [
        "## Start\n",
        _table(
            ("program", "ms", "more than the interpreter alone"),
            [(name, f"{cost:.0f}", f"{cost - base:.0f}") for name, cost in imports.items()],
        ),
        (
            f"Goals: the import takes at most 100 ms ({_met(own <= 100)}, {own:.0f} ms); the first statement is parsed within 250 ms of it "
            f"({_met(first <= 250)}, {first:.0f} ms).\n"
        ),
        "## Parsing\n",
        (
            f"The {parsing['statements']} examples of the language: {parsing['cold']:.0f} µs per statement that was not seen before, "
            f"{parsing['repeated']:.2f} µs for one that was (goal: under 10 µs, {_met(parsing['repeated'] < 10)}).\n"
        ),
    ]
    both = parsing.get("both")
    if both is not None:
        ratio = both["cold"] / both["1.8.0"]
        parts.append(
            f"Of the {both['statements']} that 1.8.0 parses too: {both['cold']:.0f} µs cold, 1.8.0 {both['1.8.0']:.0f} µs; "
            f"{_against(ratio, 1.0)}.\n"
        )
    return "\n".join(parts)


def _met(reached: bool) -> str:
    return "met" if reached else "**missed**"


def _parse_growth(found: dict[str, dict[str, float]]) -> str:
    lengths = list(next(iter(found.values())))
    return "\n".join(
        [
            "## Parsing long statements\n",
            (
                "Microseconds per character of a statement that was not seen before, by its length in characters: where the time is linear, a line "
                "stays level or falls. The last column is the longest by the one before it.\n"
            ),
            _table(
                ("shape", *(f"{int(length):,}" for length in lengths), "last two"),
                [
                    (
                        shape,
                        *(f"{cost:.3f}" for cost in costs.values()),
                        f"{costs[lengths[-1]] / costs[lengths[-2]]:.2f}",
                    )
                    for shape, costs in found.items()
                ],
            ),
        ]
    )


def _stream(found: list[dict[str, float]]) -> str:
    return "\n".join(
        [
            "## Streaming\n",
            (
                "`async for row in db.stream(..)` over one collection whose pages are made as they are asked for (in memory, so that the million exists "
                "nowhere), rows of 800 bytes.\n"
            ),
            _table(
                ("rows", "seconds", "rows per second", "memory at most, beyond the start"),
                [
                    (
                        f"{each['rows']:,}",
                        f"{each['seconds']:.2f}",
                        f"{each['rows'] / each['seconds']:,.0f}",
                        f"{each['megabytes']:.1f} MB",
                    )
                    for each in found
                ],
            ),
        ]
    )


def _concurrency(found: dict[str, Any]) -> str:
    return "\n".join(
        [
            f"## {found['statements']} statements at once\n",
            "Top 10 of all 37, each with a vector of its own; in milliseconds for all of them.\n",
            _table(
                ("contender", "wall", "CPU"),
                [(name, _ms(cost), _ms(cost, "cpu")) for name, cost in found["costs"].items()],
            ),
        ]
    )


def _load(found: dict[str, Any]) -> str:
    errors = ", ".join(f"{count} {name}" for name, count in found["errors"].items())
    return "\n".join(
        [
            "## Under load\n",
            (
                f"Top 10 of all {found['collections']}, {found['at_once']} statements at once from one event loop over an address, without a pause for "
                f"{found['seconds']:.0f} seconds.\n"
            ),
            _table(
                ("statements", "per second", "p50, ms", "p99, ms", "errors"),
                [
                    (
                        f"{found['statements']:,}",
                        f"{found['statements'] / found['seconds']:.1f}",
                        f"{found['p50']:,.0f}",
                        f"{found['p99']:,.0f}",
                        errors or "none",
                    )
                ],
            ),
            "What the client's process held in the meantime, and after the database was closed.\n",
            _table(
                ("second", "memory, MB", "sockets"),
                [
                    *((f"{each['second']:.0f}", f"{each['megabytes']:.1f}", each["sockets"]) for each in found["held"]),
                    ("closed", f"{found['closed']['megabytes']:.1f}", found["closed"]["sockets"]),
                ],
            ),
        ]
    )


def _keyword(found: dict[str, Any]) -> str:
    times = {name: f"{value:,.1f}" for name, value in found.items() if name not in ("documents", "disk")}
    return "\n".join(
        (
            "## Keyword search\n",
            (
                f"{found['documents']:,} documents of 80 words from a Zipf vocabulary of 30,000, in 12 embedded collections; queries of two rare words "
                "and three common ones, top 10. `bm25s` and `EnsembleRetriever` are measured where they are installed.\n"
            ),
            _table(("compared", "figure", "goal"), keyword_search.table(found)),
            f"The index takes {found['disk'] / 1e6:,.0f} MB on the disk. In milliseconds:\n",
            _table(("what", "ms"), times.items()),
        )
    )


def _langchain(found: dict[str, Any]) -> str:
    ours, theirs = found["address"], found["langchain"]
    return "\n".join(
        [
            "## LangChain\n",
            (
                "Top 10 of all 37 by `EnsembleRetriever` over a `langchain-chroma` store each (`ainvoke`; it fuses by rank), and by ChromaSQL over an "
                "address; the text is embedded at once.\n"
            ),
            _table(
                ("contender", "wall, ms", "CPU, ms"),
                [
                    ("EnsembleRetriever", _ms(theirs), _ms(theirs, "cpu")),
                    ("ChromaSQL", _ms(ours), _ms(ours, "cpu")),
                    ("ratio", f"{ours['wall'] / theirs['wall']:.2f}", f"{ours['cpu'] / theirs['cpu']:.2f}"),
                ],
            ),
        ]
    )


_SECTIONS = {
    "weighing": _weighing,
    "sizes": _sizes,
    "engine": _engine,
    "startup": _startup,
    "parse_growth": _parse_growth,
    "stream": _stream,
    "concurrency": _concurrency,
    "load": _load,
    "langchain": _langchain,
    "keyword": _keyword,
}


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    return next((line.split(": ", 1)[1] for line in lines if line.startswith("model name")), platform.machine())


# Plot


def _plot(workloads: list[dict[str, Any]], path: Path) -> None:
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "chromasql"
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(9, 6.5))
    height = 0.26
    for at, (form, title) in enumerate(_FORMS.items()):
        places = [place + at * height for place in range(len(workloads))]
        axes.barh(places, [_ratios(each)[form] for each in workloads], height, label=title)
        for place, each in zip(places, workloads, strict=True):
            goal = each["goals"][at]
            axes.plot([goal, goal], [place - height / 2, place + height / 2], color="black", linewidth=1.5)
    axes.axvline(1, color="grey", linestyle="--", linewidth=1)
    axes.set_yticks([place + height for place in range(len(workloads))], [each["title"] for each in workloads])
    axes.invert_yaxis()
    figure.supxlabel(
        "wall time divided by that of the code by hand (dashed: the same; black: the goal)", fontsize="medium"
    )
    figure.legend(loc="upper center", ncols=3, frameon=False)
    figure.tight_layout(rect=(0, 0, 1, 0.96))
    figure.savefig(path, metadata={"Date": None})
