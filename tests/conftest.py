"""What several test files share."""

import json
import signal
from pathlib import Path

import jsonschema
import pytest

import mlx_train
from engine import Search, Tablebase, selfplay
from engine.core.rules import RULE_SETS

# A shell's background job starts with Ctrl-C ignored, and so would the programs that the tests interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def games():
    """Records of 40 short-sighted games."""
    return selfplay(40, Search(2), 11, exploration=0.1, workers=1)


@pytest.fixture(scope="session")
def validator():
    """Of the schema of weights files."""
    schema = json.loads(Path(mlx_train.__file__).with_name("networks").joinpath("weights.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


@pytest.fixture(scope="session")
def table():
    """The solved game of two pieces a side."""
    return Tablebase.solve(2)


@pytest.fixture(scope="session")
def tables(table):
    """The solved game of two pieces a side of each rule set, by its name."""
    return {"finkel": table} | {rules: Tablebase.solve(2, rules=rules) for rules in RULE_SETS if rules != "finkel"}


@pytest.fixture(scope="session")
def table_file(table, tmp_path_factory):
    """Its file."""
    path = tmp_path_factory.mktemp("tables") / "two.table"
    table.save(path)
    return path
