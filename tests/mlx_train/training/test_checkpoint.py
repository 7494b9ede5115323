"""What a killed training needs to go on, and what it makes of a damaged checkpoint."""

import dataclasses
import io
import json

import numpy as np
import pytest
from mlx.utils import tree_flatten
from same_bits import assert_same_bits

from mlx_train.config import resolve
from mlx_train.data.games import Decisions
from mlx_train.data.search import SearchSource
from mlx_train.device.backend import mx, use_device
from mlx_train.training.checkpoint import (
    KEPT,
    checkpoints,
    load_model,
    newest,
    parse,
    restore,
    resume_from,
    save_checkpoint,
)
from mlx_train.training.trainer import Trainer, train

SMALL = resolve("quick", hidden_sizes=(16, 8), batch_size=64, epochs=3, dropout=0.2, learning_rate=0.01)


@pytest.fixture(autouse=True)
def _cpu():
    use_device("cpu")


@pytest.fixture(scope="module")
def source(games):
    return SearchSource(SMALL, Decisions(games, {}))


def new_trainer(source):
    return Trainer(SMALL, source.total_steps)


def bits(trainer):
    return {name: np.array(array) for name, array in tree_flatten([trainer.arrays, trainer.best])}


@pytest.fixture(scope="module")
def undisturbed(source):
    trainer = new_trainer(source)
    train(trainer, source)
    return trainer


@pytest.fixture
def folder(source, tmp_path):
    """Two checkpoints of the first epoch, and the trainer after them."""
    trainer = new_trainer(source)
    left = []

    def save():
        if trainer.state.step in (3, 5):
            left.append(save_checkpoint(tmp_path, trainer))

    train(trainer, source, on_batch=save, stopping=lambda: len(left) == 2)
    return tmp_path


@pytest.mark.parametrize("batches", [1, 7, "epoch", "epoch and 2"])
def test_training_goes_on_bit_for_bit(source, undisturbed, tmp_path, batches):
    wanted = {"epoch": source.steps_per_epoch, "epoch and 2": source.steps_per_epoch + 2}.get(batches, batches)
    stopped = new_trainer(source)
    train(stopped, source, stopping=lambda: stopped.state.updates >= wanted)
    assert stopped.state.updates == wanted
    save_checkpoint(tmp_path, stopped)
    resumed = new_trainer(source)
    restore(resumed, newest(tmp_path)[1])
    history = train(resumed, source)
    assert_same_bits(bits(resumed), bits(undisturbed))
    timing = {
        "samples_per_second": 0,
        "seconds": 0,
        "waiting": 0,
        "peak_memory_bytes": 0,
        "process_peak_memory_bytes": 0,
    }
    assert [dataclasses.replace(row, **timing) for row in history] == [
        dataclasses.replace(row, **timing) for row in undisturbed.state.history
    ]


def test_a_finished_training_stays_finished(source, undisturbed, tmp_path):
    save_checkpoint(tmp_path, undisturbed, {"seed": 3})
    again = new_trainer(source)
    assert restore(again, newest(tmp_path)[1]) == {"seed": 3}
    train(again, source)
    assert_same_bits(bits(again), bits(undisturbed))
    model, config, metadata = load_model(tmp_path)
    assert (config, metadata) == (SMALL, {"seed": 3})
    for name, array in tree_flatten(model.parameters()):
        np.testing.assert_array_equal(array, dict(tree_flatten(undisturbed.model.parameters()))[name])


def test_early_stopping_survives(source, tmp_path):
    """The epoch after which it stops is the same when it goes on from there."""
    config = dataclasses.replace(SMALL, epochs=40, patience=1, learning_rate=0.05)
    straight = Trainer(config, 1000)
    train(straight, source)
    last = straight.state.epoch
    assert last < 40
    stopped = Trainer(config, 1000)
    train(stopped, source, on_batch=lambda: None, stopping=lambda: stopped.state.epoch == last - 1)
    save_checkpoint(tmp_path, stopped)
    resumed = Trainer(config, 1000)
    restore(resumed, newest(tmp_path)[1])
    assert len(train(resumed, source)) == len(straight.state.history)


def test_the_newest_are_kept(source, tmp_path):
    trainer = new_trainer(source)
    for number in range(1, 5):
        assert save_checkpoint(tmp_path, trainer).name.startswith(f"{number:06}-")
    assert [path.name[:6] for path in checkpoints(tmp_path)] == ["000003", "000004"]
    assert len(list(tmp_path.iterdir())) == KEPT


def test_a_damaged_checkpoint_is_passed_over(folder, capsys):
    older, newer = checkpoints(folder)
    assert newest(folder)[0] == newer
    data = bytearray(newer.read_bytes())
    data[len(data) // 2] ^= 1
    newer.write_bytes(data)
    assert newest(folder)[0] == older
    error = capsys.readouterr().err
    assert f"{newer}: damaged checkpoint" in error
    assert error.count("\n") == 1
    with pytest.raises(ValueError, match="damaged"):
        load_model(newer)
    older.write_bytes(older.read_bytes()[:-1])
    assert newest(folder) is None
    with pytest.raises(ValueError, match="no whole checkpoint"):
        load_model(folder)


def test_a_damaged_checkpoint_is_not_kept_for_a_whole_one(source, folder):
    older, newer = checkpoints(folder)
    newer.write_bytes(b"")
    assert resume_from(folder)[0] == older
    assert checkpoints(folder) == [older]
    assert resume_from(folder)[0] == older
    saved = save_checkpoint(folder, new_trainer(source))
    assert checkpoints(folder) == [older, saved]


def test_where_all_are_damaged_the_training_begins_again(source, folder, capsys):
    assert resume_from(folder / "nowhere") is None
    assert capsys.readouterr().err == ""
    for path in checkpoints(folder):
        path.write_bytes(b"")
    assert resume_from(folder) is None
    lines = capsys.readouterr().err.splitlines()
    assert [line.endswith("it is passed over") for line in lines] == [True, True, False]
    assert lines[2] == f"{folder}: no whole checkpoint is left: the training begins again"
    assert len(checkpoints(folder)) == KEPT  # until there are others


def test_files_of_other_names_are_no_checkpoints(folder):
    newer = checkpoints(folder)[-1]
    for name in ("my.safetensors", "my-networks.safetensors", "000009-1234567.safetensors"):
        other = newer.with_name(name)
        other.write_bytes(newer.read_bytes())
        with pytest.raises(ValueError, match="not a checkpoint: its name has no checksum"):
            load_model(other)
    assert newest(folder)[0] == newer


def test_other_checkpoints_are_refused(source, folder):
    _, data = newest(folder)
    with pytest.raises(ValueError, match=r"hidden_sizes \[16, 8\], not \[8\]"):
        restore(Trainer(dataclasses.replace(SMALL, hidden_sizes=(8,)), 10), data)
    restore(Trainer(dataclasses.replace(SMALL, workers=1, checkpoint_seconds=0.0), 10), data)  # these may differ
    old = data.replace(b'"version":"2"', b'"version":"1"')
    assert old != data
    with pytest.raises(ValueError, match="checkpoint of version 1"):
        restore(new_trainer(source), old)
    with pytest.raises(ValueError, match="not a checkpoint"):
        restore(new_trainer(source), b"nonsense")


def crafted(data, change):
    """A checkpoint's bytes with its arrays and metadata changed in place by a function."""
    arrays, metadata = mx.load(io.BytesIO(data), format="safetensors", return_metadata=True)
    change(arrays, metadata)
    buffer = io.BytesIO()
    mx.save_safetensors(buffer, arrays, metadata)
    return buffer.getvalue()


def _without(name):
    return lambda arrays, metadata: [arrays.pop(key) for key in list(arrays) if key.startswith(name)]


def _with_text(key, **values):
    def change(arrays, metadata):
        metadata[key] = json.dumps(json.loads(metadata[key]) | values)

    return change


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda arrays, metadata: metadata.pop("config"), "unknown|missing|config"),
        (lambda arrays, metadata: metadata.update(config="[]"), "no JSON objects"),
        (lambda arrays, metadata: metadata.update(position="{"), "Expecting"),
        (lambda arrays, metadata: metadata.update(kind="Other"), "Other"),
        (_with_text("config", hidden_sizes=["16", None]), "hidden_sizes must be whole numbers"),
        (_with_text("config", hidden_sizes=16), "hidden_sizes must be whole numbers"),
        (_with_text("config", batch_size=True), "batch_size must be a whole number"),
        (_with_text("position", epoch="1"), "a training's"),
        (_with_text("position", history=3), "not a checkpoint of this training"),
        (_without("model"), "model"),
        (_without("model.value.layers.0"), r"Missing 2 parameters: value\.layers\.0\.bias, value"),
        (_without("optimizer"), "optimizer"),
        (_without("optimizer.value.step"), "optimizer.value has other arrays"),
        (lambda arrays, _: arrays.update({"best.value.layers.0.weight": mx.zeros(3)}), "best.value has other arrays"),
        (lambda arrays, _: arrays.update({"model.value.layers.2147483648.weight": mx.zeros(3)}), "has no place"),
    ],
)
def test_crafted_checkpoints_are_refused_in_one_line(source, folder, change, reason):
    data = crafted(newest(folder)[1], change)
    with pytest.raises(ValueError, match=reason) as error:
        restore(new_trainer(source), data, "file")
    assert str(error.value).startswith("file: ") or "has other arrays" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("dtype", ["bool_", "int8", "uint16", "uint32", "int64", "uint64", "float16", "float32"])
@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (0, 4)])
def test_arrays_of_every_type_come_back(folder, dtype, shape):
    wanted = mx.ones(shape, getattr(mx, dtype))
    data = crafted(newest(folder)[1], lambda arrays, _: arrays.update({"source.x": wanted}))
    array = parse(data, "file").arrays["source"]["x"]
    assert (array.dtype, array.shape) == (wanted.dtype, shape)
    assert bool(mx.all(array == wanted))


@pytest.mark.parametrize(
    "change", [{"shape": [1 << 40]}, {"data_offsets": [0, 1 << 40]}, {"shape": [-1]}, {"dtype": "F16"}]
)
def test_an_array_larger_than_its_file_is_refused(folder, change):
    data = newest(folder)[1]
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    next(entry for name, entry in header.items() if name != "__metadata__").update(change)
    text = json.dumps(header).encode()
    with pytest.raises(ValueError, match="file: not a checkpoint: the array"):
        parse(len(text).to_bytes(8, "little") + text + data[8 + length :], "file")


def test_the_millionth_checkpoint_is_the_newest(source, tmp_path):
    """999999 is behind 1000000 as a text."""
    path = save_checkpoint(tmp_path, new_trainer(source))
    path.rename(path.with_name(path.name.replace("000001", "999999")))
    saved = [save_checkpoint(tmp_path, new_trainer(source)) for _ in range(2)]
    assert [path.name.partition("-")[0] for path in saved] == ["1000000", "1000001"]
    assert checkpoints(tmp_path) == saved
    assert newest(tmp_path)[0] == saved[-1]


def test_a_full_disk_leaves_the_former_checkpoints(source, folder, monkeypatch):
    before = {path: path.read_bytes() for path in folder.iterdir()}

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("mlx_train.training.checkpoint.moment", full)
    with pytest.raises(OSError, match="No space left"):
        save_checkpoint(folder, new_trainer(source))
    assert before == {path: path.read_bytes() for path in folder.iterdir()}


def test_saving_leaves_no_trace(source, tmp_path):
    """One can be taken at any time without a trace in what is trained."""
    one, two = new_trainer(source), new_trainer(source)
    train(one, source, on_batch=lambda: save_checkpoint(tmp_path, one), stopping=lambda: one.state.step == 6)
    train(two, source, stopping=lambda: two.state.step == 6)
    assert_same_bits(bits(one), bits(two))
    assert one.state.loss_sums == two.state.loss_sums
    assert mx.all(mx.isfinite(one.model.value.layers[0].weight)).item()
