"""The documented table of the features."""

import subprocess
import sys
from pathlib import Path

from engine.core.features import FEATURE_NAMES, FEATURE_SCALES, GROUPS
from mlx_train.pictures.features import without_side
from mlx_train.tools.feature_table import DEFINITIONS, markdown

PAGE = Path(__file__).parents[3] / "docs" / "features.md"


def test_the_page_is_what_the_module_prints():
    assert PAGE.read_text(encoding="utf-8") == markdown()


def test_as_a_program():
    command = [sys.executable, "-m", "mlx_train.tools.feature_table"]
    result = subprocess.run(command, capture_output=True, check=True, cwd=PAGE.parents[1])
    assert result.stdout == PAGE.read_bytes()


def test_every_group_has_one_definition_of_one_sentence():
    assert set(DEFINITIONS) == {without_side(group) for group, _, _ in GROUPS}
    for definition in DEFINITIONS.values():
        assert definition[0].isupper()
        assert definition.endswith(".")
        assert ". " not in definition


def test_every_feature_has_its_row():
    rows = [line.strip("| ").split(" | ") for line in markdown().split("## Inputs")[1].splitlines()[4:]]
    assert [(int(number), name) for number, name, _ in rows] == [
        (i, f"`{name}`") for i, name in enumerate(FEATURE_NAMES)
    ]
    for (_, _, text), scale in zip(rows, FEATURE_SCALES, strict=True):
        over, _, under = text.partition("/")
        assert abs(int(over) / int(under or 1) - scale) < 1e-9


def test_both_sides_share_a_scale():
    scales = {}
    for group, _, scale in GROUPS:
        assert scales.setdefault(without_side(group), scale) == scale
