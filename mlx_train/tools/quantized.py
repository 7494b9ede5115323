"""The quantised files of the shipped models, weights/quantized/NAME.json, which the page loads.

python -m mlx_train.tools.quantized             makes and measures those that are missing or older than their models
python -m mlx_train.tools.quantized NAME FILE   takes a file that `compress` made from the model NAME, and measures it
"""

import dataclasses
import hashlib
import sys
import tempfile
from pathlib import Path
from typing import Any

from engine.games.agents import open_table
from engine.machine.files import atomic_file
from engine.network.document import read_document
from engine.solved.tablebase import Tablebase
from mlx_train.config import WEIGHTS, check_choice
from mlx_train.measuring.regret import DECISIONS
from mlx_train.measuring.value_error import POSITIONS
from mlx_train.networks.manifest import ModelEntry, read_manifest, write_manifest
from mlx_train.networks.weights import document_content
from mlx_train.runs.compression import compress
from mlx_train.runs.compression_results import measure_networks
from mlx_train.system.errors import EXPECTED, tell
from mlx_train.system.progress import say

#: Bits of a weight: at 8 bits the regret grows least, and a file takes a fifth of the plain one's gzip.
BITS = 8
#: Positions for the rounding, as many as `compress` takes by default.
CALIBRATION = 40_000


def is_current(entry: ModelEntry, folder: Path = WEIGHTS) -> bool:
    """Whether a model's quantised file is the manifest's, and was made from the model's present file."""
    file = folder / "quantized" / entry.file
    known = entry.quantized
    return (
        known is not None
        and known["source_sha256"] == entry.sha256[entry.file]
        and file.exists()
        and hashlib.sha256(file.read_bytes()).hexdigest() == known["sha256"]
    )


def quantize_model(entry: ModelEntry, table: Tablebase, folder: Path = WEIGHTS) -> ModelEntry:
    """Write a model's quantised value network -> the entry with its measures. Raises ValueError, OSError."""
    with tempfile.TemporaryDirectory() as temporary:
        _, measured = compress(
            folder / entry.file, Path(temporary), table, bits=[BITS], calibration=CALIBRATION, networks="value"
        )
        return take(Path(measured.file), entry, table, folder)


def take(file: Path, entry: ModelEntry, table: Tablebase, folder: Path = WEIGHTS) -> ModelEntry:
    """Copy a quantised file of a model -> the entry with the measures of its value network.

    Raises ValueError for a file of another model, OSError.
    """
    document = read_document(file)
    source = document["metadata"].get("compression", {}).get("source")
    if source != entry.file:
        raise ValueError(f"{file} was made from {source}, not from {entry.file}")
    content = document_content(document)
    with atomic_file(folder / "quantized" / entry.file) as target:
        target.write(content)
    (measured,) = measure_networks(
        file, ["value"], content, BITS, 0.0, table=table, positions=POSITIONS, decisions=DECISIONS, workers=None
    )
    quantized: dict[str, Any] = {
        "bits": BITS,
        "bytes": len(content),
        "gzip_bytes": measured.gzip_bytes,
        "value_error": measured.value_error,
        "regret": measured.regret,
        "sha256": hashlib.sha256(content).hexdigest(),
        "source_sha256": entry.sha256[entry.file],
    }
    return dataclasses.replace(entry, quantized=quantized)


def make_missing() -> None:
    """Make and measure the files that are missing or old; a model's entry is written as soon as its file is."""
    entries = read_manifest(WEIGHTS)
    for number, entry in enumerate(entries):
        if "value" in entry.measures and not is_current(entry):
            say(f"{entry.name}: {BITS} bits")
            entries[number] = quantize_model(entry, open_table(None, entry.rules))
            write_manifest(WEIGHTS, entries)


def take_named(name: str, file: Path) -> None:
    """Take and measure the file of one model. Raises ValueError for an unknown model, and as `take`; OSError."""
    entries = read_manifest(WEIGHTS)
    number = [entry.name for entry in entries].index(check_choice("model", name, (entry.name for entry in entries)))
    entries[number] = take(file, entries[number], open_table(None, entries[number].rules))
    write_manifest(WEIGHTS, entries)


def main(words: list[str]) -> None:
    """The command line of this module."""
    if len(words) not in (0, 2):
        print(__doc__, file=sys.stderr)
        sys.exit(2)
    try:
        if words:
            take_named(words[0], Path(words[1]))
        else:
            make_missing()
    except EXPECTED as error:
        tell(error)
        sys.exit(1)


if __name__ == "__main__":
    main(sys.argv[1:])
