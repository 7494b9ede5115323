"""The engine on arm64 is the engine: the same C for another chip, run under emulation."""

import shutil
import subprocess

import numpy as np
import pytest
from answers import DEPTHS, NETWORKS, ROOT, Questions

from engine import Tablebase
from engine.solved.order import index_tables

PROGRAM = ROOT / "build" / "check-aarch64"
QEMU = shutil.which("qemu-aarch64") or shutil.which("qemu-aarch64-static")
PIECES = 2

pytestmark = [
    pytest.mark.slow,  # `make arm64-check` runs them
    pytest.mark.skipif(QEMU is None, reason="needs qemu-aarch64 (Debian's qemu-user)"),
    pytest.mark.skipif(not PROGRAM.exists(), reason="build/check-aarch64 is not built: make arm64-check"),
]


@pytest.fixture(scope="module")
def questions(tmp_path_factory):
    questions = Questions(tmp_path_factory.mktemp("arm64"), 8_000)
    for name, array in index_tables().items():
        array.tofile(questions.folder / f"index-{name}")
    result = subprocess.run(
        [QEMU, PROGRAM, questions.folder, str(NETWORKS), str(PIECES)], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    return questions


def test_it_is_a_program_for_arm64():
    assert PROGRAM.read_bytes()[:20].hex() == "7f454c46020101" + "00" * 9 + "0200b700"


def test_rules(questions):
    questions.check_rules()


def test_features(questions):
    questions.check_features()


@pytest.mark.parametrize("preset", [0, 1])
@pytest.mark.parametrize("depth", DEPTHS)
def test_search(questions, preset, depth):
    questions.check_search(preset, depth)


@pytest.mark.parametrize("number", range(NETWORKS))
def test_networks(questions, number):
    questions.check_network(number)


def test_solved_game(questions, tmp_path):
    table = Tablebase.solve(PIECES, workers=1, checkpoint=tmp_path / "checkpoint")
    assert np.asarray(table.array).tobytes() == questions.answer("table", "<f8").tobytes()
