"""What a GPU does: first values of the solved game, rows for training, training itself."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from engine import Tablebase, extract_features_bytes, sample_decisions
from engine.games.agents import open_table
from engine.games.exact_rows import entry_batch, value_batch
from engine.machine.cores import worker_count
from mlx_train.config import Config
from mlx_train.data.exact import ExactSource
from mlx_train.data.transfer import to_mlx
from mlx_train.device import feature_kernel
from mlx_train.device.backend import available_devices, mx, nn, optim, peak_memory, use_device
from mlx_train.device.solver_kernel import first_values
from mlx_train.device.table_kernel import DeviceTable
from mlx_train.networks.mlp import Networks, scaled
from mlx_train.tools.bench.measure import Row, median_seconds, millions, rate, timed
from mlx_train.training.trainer import Trainer

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
        *_making_rows(),
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


def _making_rows() -> list[Row]:
    """Rows for training: made on the GPU, compared with the engine's, and carried to the GPU."""
    positions, rolls = sample_decisions(_DECISIONS)
    packed = (positions | rolls.astype(np.uint64) << np.uint64(48)).view(np.uint32).reshape(-1, 2)
    features = extract_features_bytes(positions, rolls)
    table = open_table()
    entries = entry_batch(table, _DECISIONS, 0, 0, play_share=0.5)
    labelled = value_batch(table, _DECISIONS, 0, 0, play_share=0.5)
    rows = [
        *_made(
            "features of packed positions", packed, lambda inputs: [feature_kernel.feature_bytes(inputs)], [features]
        ),
        *_made("rows of places in the table", entries, DeviceTable(table).rows, labelled),
    ]
    for what, array in (("places", entries), ("packed", packed), ("features", features)):
        seconds = median_seconds(lambda part=array[:_BATCH]: mx.eval(mx.array(part).sum()))  # type: ignore[misc]
        figure = f"{1e3 * seconds:.2f} ms"
        rows.append(Row(f"{_BATCH:,} rows to the GPU, {what}", figure, "mx.eval(mx.array(rows).sum())"))
    return rows


def _made(
    what: str, inputs: np.ndarray, make: Callable[[mx.array], list[mx.array]], expected: Sequence[np.ndarray]
) -> list[Row]:
    """What a kernel makes of inputs: how many numbers differ from the expected ones, and how many rows a second."""
    on_device = mx.array(inputs)
    pairs = zip(make(on_device), expected, strict=True)
    different = sum(int((np.array(one) != other).sum()) for one, other in pairs)
    seconds = median_seconds(lambda: mx.eval([make(on_device) for _ in range(10)])) / 10
    return [
        Row(f"{what}, numbers that differ from the engine's", f"{different:,}", "of a million rows"),
        Row(f"{what}, made on the GPU", millions(_DECISIONS, seconds, "rows")),
    ]


def _training() -> list[Row]:
    """The standard value network, with one batch at hand and with fresh data."""
    config = Config(
        teacher="exact", networks="value", batch_size=_BATCH, play_share=0.5, device="gpu", epochs=1, steps=5 * _STEPS
    )
    trainer = Trainer(config, config.steps)
    source = ExactSource(config)
    arrays = to_mlx(source.batch(0, _BATCH, 0), "value", source.device_table)
    mx.eval(trainer.step_on([arrays]))

    def train_on_one_batch() -> None:
        for _ in range(_STEPS):
            losses = trainer.step_on([arrays])
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
    rows = [Row(what, rate(count, seconds, "samples"), "Trainer.step_on")]
    for dtype in (mx.float32, mx.bfloat16):
        seconds = median_seconds(partial(train_plainly, dtype))
        rows.append(Row(f"a plain step in {dtype}, compiling included", rate(count, seconds, "samples")))
    for number in range(1, 4):  # the first epochs compile and fill the queue
        trainer.state.epoch, trainer.state.step = number, 0
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
