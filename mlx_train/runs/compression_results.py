"""The measures of compressed networks, their table and their picture."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from engine.solved.tablebase import Tablebase
from mlx_train.measuring.cost import microseconds_per_move
from mlx_train.measuring.regret import DECISIONS, policy_regret, rounded_table_regret
from mlx_train.measuring.value_error import gives_win_probabilities, value_error
from mlx_train.networks.manifest import head_agent
from mlx_train.pictures.models import BytesPoint, bytes_table, regret_by_bytes
from mlx_train.pictures.style import save_figure
from mlx_train.system.files import compressed, write_json, write_text
from mlx_train.system.text import markdown_table, short_name

#: Bits a position of the reference curve: the solved game with rounded values.
TABLE_BITS = tuple(range(4, 13))


@dataclass(frozen=True, kw_only=True)
class CompressedNetwork:
    """One network of a compressed file, or of the float32 file that was compressed (bits 32)."""

    file: str
    network: str  # value or policy
    bits: int
    pruned: float  # share of the weights that were set to zero
    bytes: int
    gzip_bytes: int
    regret: float  # percentage points
    value_error: float | None  # mean, of win probabilities; None for a policy network
    microseconds_per_move: float

    @property
    def name(self) -> str:
        """Its weights in a few words, for the table and the picture."""
        if self.bits == 32:
            return "float32"
        return f"int{self.bits}" + (f", {100 * self.pruned:.0f}% pruned" if self.pruned else "")


def measure_networks(
    file: Path, heads: Sequence[str], content: bytes, bits: int, pruned: float, *, table: Tablebase, positions: int,
    decisions: int, workers: int | None,
) -> list[CompressedNetwork]:  # fmt: skip
    """Measure the networks of a file. content: the JSON text of these networks alone. Raises ValueError, OSError."""
    results = []
    for head in heads:
        agent = head_agent(file, head)
        error = value_error(agent, table, positions, workers=workers).mean if gives_win_probabilities(agent) else None
        results.append(
            CompressedNetwork(
                file=str(file),
                network=head,
                bits=bits,
                pruned=pruned,
                bytes=len(content),
                gzip_bytes=len(compressed(content)),
                regret=policy_regret(agent, table, decisions, workers=workers).mean,
                value_error=error,
                microseconds_per_move=microseconds_per_move(agent),
            )
        )
    return results


def reference_curve(table: Tablebase, decisions: int = DECISIONS) -> list[BytesPoint]:
    """The solved game with rounded values: its bytes without any compression, and its regret, by bits a position."""
    return [
        BytesPoint(
            name=f"{bits} bits", bytes=math.ceil(table.count * bits / 8),
            regret=rounded_table_regret(table, bits, decisions),
        )
        for bits in TABLE_BITS
    ]  # fmt: skip


def points(results: Sequence[CompressedNetwork], head: str) -> list[BytesPoint]:
    """The points of one network's files in the picture."""
    return [
        BytesPoint(name=result.name, bytes=result.gzip_bytes, regret=result.regret)
        for result in results
        if result.network == head
    ]


def results_table(results: Sequence[CompressedNetwork]) -> str:
    """The files for a person, as a Markdown table."""
    header = (
        "network", "weights", "regret, points", "mean error", "bytes", "gzip", "microseconds a move", "file",
    )  # fmt: skip
    rows = [
        (
            result.network, result.name, f"{result.regret:.4f}",
            "" if result.value_error is None else f"{result.value_error:.6f}",
            f"{result.bytes:,}", f"{result.gzip_bytes:,}", f"{result.microseconds_per_move:.2f}", result.file,
        )
        for result in results
    ]  # fmt: skip
    return markdown_table(header, rows)


def write_results(folder: Path, results: Sequence[CompressedNetwork], reference: Sequence[BytesPoint]) -> str:
    """Write compress.json, compress.md and compress.png -> the tables of compress.md. Raises OSError."""
    write_json(
        folder / "compress.json",
        {"files": [asdict(result) for result in results], "table": [asdict(point) for point in reference]},
    )
    heads = list(dict.fromkeys(result.network for result in results))
    model = short_name(f"net:{results[0].file}")
    files = {f"{model}'s {head} network": points(results, head) for head in heads}
    save_figure(regret_by_bytes(f"{model} in fewer bits a weight", files, reference), folder / "compress.png")
    text = f"{results_table(results)}\n\n{bytes_table(reference)}\n"
    write_text(folder / "compress.md", f"{text}\n![Regret by bytes](compress.png)\n")
    return text
