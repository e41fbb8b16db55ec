"""The command: measure, keep the figures, write the page and the plot."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.benchmarks import (
    concurrency,
    engine,
    fanout,
    keyword_search,
    langchain,
    load,
    parse_growth,
    records,
    report,
    sizes,
    startup,
    stream,
    weighing,
)
from tests.support.servers import ChromaServer

_DOCS = Path(__file__).parents[2] / "docs"
_BIG, _SMALL = records.Shape("big", 37, 1_000), records.Shape("small", 370, 100)
_QUICK = records.Shape("big", 4, 250), records.Shape("small", 8, 20)
_SERVED = {"fanout", "many", "weighing", "sizes", "concurrency", "load", "langchain"}


def main() -> None:
    """Run the sections that are asked for; figures of the others are kept from the last time."""
    options = _options()
    figures_file = options.output / "benchmarks.json"
    figures: dict[str, Any] = json.loads(figures_file.read_text()) if figures_file.exists() else {}
    wanted = [name for name in options.sections if name != "report"]
    with tempfile.TemporaryDirectory() as scratch:
        for name, section in _sections(options, Path(scratch), bool(_SERVED & {*wanted})).items():
            if name in wanted:
                print(f"{name} ..", flush=True)
                busy = os.getloadavg()[0]
                found = section()
                if found is not None:
                    figures[name] = found
                    figures.setdefault("loads", {})[name] = busy
                    _keep(figures, options.output)
    figures["machine"] = report.machine()
    _keep(figures, options.output)
    report.write(figures, options.output)


def _keep(figures: dict[str, Any], folder: Path) -> None:
    """Write the figures down, so that a later section that is interrupted does not take them along."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "benchmarks.json").write_text(json.dumps(figures, indent=1) + "\n")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    sections = (
        *("fanout", "many", "weighing", "sizes", "engine", "startup", "parse_growth"),
        *("stream", "concurrency", "load", "langchain", "keyword", "report"),
    )
    parser.add_argument("sections", nargs="*", metavar="section", help=f"any of {', '.join(sections)}; default: all")
    parser.add_argument("--rounds", type=int, default=31, help="how often each contender runs")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long the load lasts")
    parser.add_argument("--quick", action="store_true", help="a few small collections, to try the command itself")
    parser.add_argument("--documents", type=int, help="how many documents `keyword` has; default: 300,000")
    parser.add_argument("--peer", type=Path, help="a folder that `chromasql` 1.8.0 can be imported from")
    parser.add_argument("--data", type=Path, help="a folder to keep the records in; without it they are built anew")
    parser.add_argument("--output", type=Path, default=_DOCS, help="where the page, the plot and the figures go")
    options = parser.parse_args()
    options.sections = options.sections or list(sections)
    unknown = set(options.sections) - set(sections)
    if unknown:
        parser.error(f"there is no section {', '.join(sorted(unknown))}")
    return options


def _sections(options: argparse.Namespace, scratch: Path, served: bool) -> dict[str, Callable[[], Any]]:
    shapes = list(_QUICK) if options.quick else [_BIG, _SMALL]
    rounds = options.rounds
    folders = {shape: (options.data or scratch) / shape.stem for shape in shapes}
    if served:
        for shape, folder in folders.items():
            records.build(folder, shape)

    def with_server(shape: records.Shape, measure: Callable[..., Any], *rest: Any) -> Any:
        server = ChromaServer(records.copy_for_server(folders[shape])).start()
        try:
            return asyncio.run(measure(server.url, *rest))
        finally:
            server.kill()

    million = 20_000 if options.quick else 1_000_000
    words = options.documents or (3_000 if options.quick else 300_000)
    return {
        "fanout": lambda: with_server(shapes[0], fanout.measure, folders[shapes[0]], shapes[0], rounds),
        "many": lambda: with_server(shapes[1], fanout.measure, folders[shapes[1]], shapes[1], rounds),
        "weighing": lambda: with_server(shapes[0], weighing.measure, folders[shapes[0]], shapes[0], rounds),
        "sizes": lambda: with_server(shapes[0], sizes.measure, folders[shapes[0]], shapes[0], rounds),
        "engine": lambda: asyncio.run(engine.measure(rounds)),
        "startup": lambda: startup.measure(rounds, options.peer),
        "parse_growth": parse_growth.measure,
        "stream": lambda: stream.measure(million),
        "concurrency": lambda: with_server(shapes[0], concurrency.measure, shapes[0], min(rounds, 3)),
        "load": lambda: with_server(shapes[0], load.measure, shapes[0], options.seconds),
        "langchain": lambda: with_server(shapes[0], langchain.measure, shapes[0], rounds),
        "keyword": lambda: keyword_search.measure((options.data or scratch) / f"words-{words}", words, min(rounds, 3)),
    }


if __name__ == "__main__":
    main()
