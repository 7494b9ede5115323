"""The quantised files of the shipped models, weights/quantized/NAME.json, which the page loads.

python -m mlx_train.tools.quantized     makes those that are missing or older than their models, and measures them
"""

import dataclasses
import hashlib
import shutil
import tempfile
from pathlib import Path
from typing import Any

from engine.games.agents import open_table
from engine.solved.tablebase import Tablebase
from mlx_train.config import WEIGHTS
from mlx_train.networks.manifest import ModelEntry, read_manifest, write_manifest
from mlx_train.runs.compression import compress
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
    target = folder / "quantized" / entry.file
    with tempfile.TemporaryDirectory() as temporary:
        _, measured = compress(
            folder / entry.file, Path(temporary), table, bits=[BITS], calibration=CALIBRATION, networks="value"
        )
        target.parent.mkdir(exist_ok=True)
        shutil.copy(measured.file, target)
    quantized: dict[str, Any] = {
        "bits": BITS,
        "bytes": measured.bytes,
        "gzip_bytes": measured.gzip_bytes,
        "value_error": measured.value_error,
        "regret": measured.regret,
        "sha256": hashlib.sha256(target.read_bytes()).hexdigest(),
        "source_sha256": entry.sha256[entry.file],
    }
    return dataclasses.replace(entry, quantized=quantized)


def main() -> None:
    """Make what is missing; each model's entry is written as soon as its file is."""
    entries = read_manifest(WEIGHTS)
    for number, entry in enumerate(entries):
        if "value" in entry.measures and not is_current(entry):
            say(f"{entry.name}: {BITS} bits")
            entries[number] = quantize_model(entry, open_table(None, entry.rules))
            write_manifest(WEIGHTS, entries)


if __name__ == "__main__":
    main()
