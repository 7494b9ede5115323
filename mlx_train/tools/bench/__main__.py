"""`make bench`: how fast everything is here, as one Markdown table.

Each figure is the median of five calls unless it says otherwise; a peer is measured in the same session. Machines are
noisy: compare ratios, and nothing here is a test.

    python -m mlx_train.tools.bench [WORD ...]    all of it, or the benches whose names hold one of the words
"""

import sys
from collections.abc import Callable

from engine.machine.detection import detect
from mlx_train.system.progress import say
from mlx_train.system.provenance import processor, provenance
from mlx_train.system.text import markdown_table
from mlx_train.tools.bench import engine, environments, gpu, network, page, solver, training, wasm
from mlx_train.tools.bench.measure import Row

#: Name -> what measures its rows, in the order of the table.
BENCHES: dict[str, Callable[[], list[Row]]] = {
    "playouts": engine.playout_rows,
    "search": engine.search_rows,
    "features": engine.feature_rows,
    "environments": environments.rows,
    "network": network.rows,
    "training": training.rows,
    "matches": engine.match_rows,
    "solver": solver.rows,
    "gpu": gpu.rows,
    "wasm": wasm.rows,
    "page": page.rows,
}


def main(words: list[str]) -> None:
    """Print the table of the benches whose names hold one of the words, by default of all."""
    unknown = [word for word in words if not any(word in name for name in BENCHES)]
    if unknown:
        sys.exit(f"unknown bench {unknown[0]!r} (known: {', '.join(BENCHES)})")
    rows: list[Row] = []
    for name, bench in BENCHES.items():
        if not words or any(word in name for word in words):
            say(f"measuring {name}")
            rows += bench()
    origin = provenance()
    versions = ", ".join(f"{name} {number}" for name, number in origin["versions"].items() if number)
    print(f"{processor()}, {detect().count} cores used, {origin['system']}; {versions}\n")
    print(
        markdown_table(("what", "figure", "peer", "how"), [(row.what, row.figure, row.peer, row.how) for row in rows])
    )


if __name__ == "__main__":
    main(sys.argv[1:])
