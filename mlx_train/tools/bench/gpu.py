"""What a GPU does: first values of the solved game, rows for training, training itself."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np

from engine import Tablebase, extract_features_bytes, sample_decisions
from engine.games.agents import open_table
from engine.games.teacher import entry_batch, value_batch
from engine.machine.cores import worker_count
from mlx_train.config import Config
from mlx_train.data.exact import ExactSource
from mlx_train.device import feature_kernel
from mlx_train.device.backend import available_devices, mx, nn, optim, peak_memory, use_device
from mlx_train.device.solver_kernel import first_values
from mlx_train.device.table_kernel import DeviceTable
from mlx_train.networks.mlp import Networks, scaled
from mlx_train.tools.bench.measure import Row, median_seconds, millions, rate, timed
from mlx_train.training.trainer import Trainer, to_mlx

_BATCH = 65_536
_STEPS = 200
_DECISIONS = 1_000_000


def rows() -> list[Row]:
    """Solving, making rows and training on the GPU."""
    if "gpu" not in available_devices():
        return [Row("training on a GPU", "no GPU found")]
    use_device("gpu")
    return [
        *_solving(),
        *_rows_made(),
        *_rows_carried(),
        *_training(),
        Row("MLX's peak memory", f"{peak_memory() / 2**30:.2f} GiB", "mx.get_peak_memory"),
    ]


def _solving() -> list[Row]:
    """Seven pieces in float32 on the GPU, and from there to 1e-12 on the CPU, with the CPU alone as the peer."""
    workers = worker_count(None)
    first_values(2)  # compiles the kernel
    with TemporaryDirectory() as folder:
        solve = partial(Tablebase.solve, 7, workers=workers, checkpoint=Path(folder) / "partial")
        first, values = timed(lambda: first_values(7))
        rest, table = timed(lambda: solve(guess=values))
        alone, _ = timed(solve)
    error = np.abs(values - table.array).max()
    return [
        Row(
            "seven pieces in float32 on the GPU",
            f"{first:.2f} s (once), off by {error:.1e}",
            "solver_kernel.first_values(7)",
        ),
        Row(f"from there to 1e-12, {workers} workers", f"{rest:.2f} s (once)", "Tablebase.solve(7, guess=...)"),
        Row(
            f"seven pieces to 1e-12, GPU and {workers} workers",
            f"{first + rest:.2f} s (once)",
            "Tablebase.solve(7)",
            f"the CPU alone: {alone:.2f} s",
        ),
    ]


class _Inputs(NamedTuple):
    """A million inputs of training, as they can cross to the GPU."""

    entries: np.ndarray  # (n,) places in the table
    packed: np.ndarray  # (n, 2) uint32, position and roll
    features: np.ndarray  # (n, 150) uint8, of `packed`


def _inputs(table: Tablebase) -> _Inputs:
    positions, rolls = sample_decisions(_DECISIONS)
    packed = (positions | rolls.astype(np.uint64) << np.uint64(48)).view(np.uint32).reshape(-1, 2)
    entries = entry_batch(table, _DECISIONS, 0, 0, play_share=0.5)
    return _Inputs(entries, packed, extract_features_bytes(positions, rolls))


def _rows_made() -> list[Row]:
    """Training rows that the GPU makes: how many a second, and how many numbers differ from the engine's."""
    table = open_table()
    inputs = _inputs(table)
    labelled = value_batch(table, _DECISIONS, 0, 0, play_share=0.5)
    makers: list[tuple[str, np.ndarray, Callable[[mx.array], list[mx.array]], Sequence[np.ndarray]]] = [
        (
            "features of packed positions",
            inputs.packed,
            lambda packed: [feature_kernel.feature_bytes(packed)],
            [inputs.features],
        ),
        ("rows of places in the table", inputs.entries, DeviceTable(table).rows, labelled),
    ]
    rows = []
    for what, array, make, expected in makers:
        on_device = mx.array(array)
        pairs = zip(make(on_device), expected, strict=True)
        different = sum(int((np.array(one) != other).sum()) for one, other in pairs)
        rows.append(Row(f"{what}, numbers that differ from the engine's", f"{different:,}", "of a million rows"))
        seconds = median_seconds(partial(_ten_times, make, on_device)) / 10
        rows.append(Row(f"{what}, made on the GPU", millions(_DECISIONS, seconds, "rows")))
    return rows


def _ten_times(make: Callable[[mx.array], list[mx.array]], inputs: mx.array) -> None:
    mx.eval([make(inputs) for _ in range(10)])


def _rows_carried() -> list[Row]:
    """The time that a batch takes to the GPU."""
    rows = []
    for what, array in _inputs(open_table())._asdict().items():
        part = array[:_BATCH]
        seconds = median_seconds(lambda part=part: mx.eval(mx.array(part).sum()))  # type: ignore[misc]
        rows.append(
            Row(f"{_BATCH:,} rows to the GPU, {what}", f"{1e3 * seconds:.2f} ms", "mx.eval(mx.array(rows).sum())")
        )
    return rows


def _training() -> list[Row]:
    """The standard value network, with one batch at hand and with fresh data."""
    config = Config(teacher="exact", networks="value", batch_size=_BATCH, device="gpu", epochs=1, steps=5 * _STEPS)
    trainer = Trainer(config, config.steps)
    source = ExactSource(config)
    arrays = to_mlx(source.batch(0, _BATCH, 0), "value", source.device_table)
    mx.eval(trainer._step_on([arrays]))

    def train_on_one_batch() -> None:
        for _ in range(_STEPS):
            losses = trainer._step_on([arrays])
        mx.eval(losses)

    def train_plainly(dtype: mx.Dtype) -> None:
        step = _plain_step(dtype)
        for _ in range(_STEPS):
            loss = step(arrays)
            mx.async_eval(loss)
        mx.eval(loss)

    count = _STEPS * _BATCH
    seconds = median_seconds(train_on_one_batch)
    what = f"value network, batch {_BATCH:,}, one batch again and again"
    rows = [Row(what, rate(count, seconds, "samples"), "Trainer.step")]
    for dtype in (mx.float32, mx.bfloat16):
        seconds = median_seconds(partial(train_plainly, dtype))
        rows.append(Row(f"a plain step in {dtype}, compiling included", rate(count, seconds, "samples")))
    for number in range(1, 4):  # the first epochs compile and fill the queue
        trainer.position.epoch, trainer.position.step = number, 0
        measured = trainer.train_epoch(source)
    assert measured is not None  # nothing has stopped it
    figure = f"{measured['samples_per_second']:,.0f} samples/s, waiting {100 * measured['waiting']:.1f}%"
    rows.append(Row("value network, fresh exact samples, end to end", figure, "Trainer.train_epoch of an ExactSource"))
    return rows


def _plain_step(dtype: mx.Dtype) -> Callable[[list[mx.array]], mx.array]:
    """A compiled step of the value network whose weights and activations are of one type."""
    network = Networks().value
    network.set_dtype(dtype)
    optimizer = optim.Adam(learning_rate=Config.learning_rate)
    optimizer.init(network.trainable_parameters())
    state = [network.state, optimizer.state]

    def mean_squared_error(inputs: mx.array, targets: mx.array) -> mx.array:
        values = mx.tanh(network(scaled(inputs).astype(dtype))[:, 0])
        return mx.mean(mx.square(values - targets.astype(dtype)))

    value_and_gradients: Any = nn.value_and_grad(network, mean_squared_error)

    @partial(mx.compile, inputs=state, outputs=state)
    def step(arrays: list[mx.array]) -> mx.array:
        loss, gradients = value_and_gradients(*arrays)
        optimizer.update(network, gradients)
        return loss

    return step
