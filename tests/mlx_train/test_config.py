"""The settings of a run."""

import dataclasses

import pytest

from engine.classic import evaluation
from engine.core import rules
from engine.machine import cores
from engine.network import document, layers
from mlx_train.config import MAX_WORKERS, MOST_HIDDEN, RULES, Config, Group, SelfplayConfig, resolve, resolve_as


def test_presets_are_the_published_ones():
    numbers = {name: (c.games, c.epochs) for name in Config.PRESETS for c in [resolve(name)]}
    assert numbers == {"quick": (400, 20), "standard": (1000, 50), "production": (5000, 100)}
    assert resolve("production").depth == 4


def test_the_rule_sets_are_the_engines():
    assert rules.RULE_SETS == RULES
    assert Config().rules == SelfplayConfig().rules == "finkel"
    with pytest.raises(ValueError, match="unknown rules 'blits'; did you mean blitz"):
        Config(rules="blits")


def test_overrides_leave_the_rest():
    config = resolve("quick", epochs=3, depth=None)
    assert config == dataclasses.replace(resolve("quick"), epochs=3)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("games", 0),
        ("games", -5),
        ("epochs", 0),
        ("depth", 0),
        ("depth", 99),
        ("batch_size", 0),
        ("learning_rate", 0.0),
        ("learning_rate", float("nan")),
        ("learning_rate", float("inf")),
        ("dropout", 1.0),
        ("validation_split", 0.0),
        ("validation_split", float("nan")),
        ("outcome_blend", 1.5),
        ("seed", -1),
        ("hidden_sizes", ()),
        ("hidden_sizes", (0,)),
        ("activation", "gelu"),
        ("weights", "classic"),
        ("learning_rate", 1e30),
        ("temperature", 1e-300),
        ("hidden_sizes", (8, "8")),
        ("hidden_sizes", (8.0,)),
        ("hidden_sizes", 8),
        ("hidden_sizes", (8,) * 16),
        ("games", True),
        ("games", 5.0),
        ("exploration", "0.1"),
        ("value_points", 10**400),
        ("init", 3),
        ("workers", "2"),
    ],
)
def test_absurd_numbers_are_refused_by_name(name, value):
    with pytest.raises(ValueError, match=name):
        resolve("quick", **{name: value})


def test_a_mistyped_preset_gets_the_nearest():
    with pytest.raises(ValueError, match="did you mean quick"):
        resolve("quik")


def test_dictionary_round_trip_and_unknown_keys():
    config = resolve("standard", hidden_sizes=(8, 4))
    assert Config.from_dict(config.to_dict()) == config
    with pytest.raises(ValueError, match="momentum"):
        Config.from_dict(config.to_dict() | {"momentum": 0.9})


def test_a_removed_setting_is_dropped_where_it_changes_nothing_and_refused_elsewhere():
    config = resolve("quick")
    assert Config.from_dict(config.to_dict() | {"reuse": 1, "pieces": 0}) == config
    for name, value in (("reuse", 2), ("pieces", 4)):
        with pytest.raises(ValueError, match=f"the setting {name} was removed: {value} is refused"):
            Config.from_dict(config.to_dict() | {name: value})


def test_the_choices_are_the_engines():
    choices = {field.name: field.metadata["choices"] for field in dataclasses.fields(Config)}
    assert choices["weights"] == tuple(evaluation.PRESETS)
    assert choices["activation"] == document.ACTIVATIONS


@pytest.mark.parametrize("kind", [Config, SelfplayConfig])
def test_every_setting_has_a_help_text_a_group_and_a_range(kind):
    for field in dataclasses.fields(kind):
        assert field.metadata["help"].endswith(".")
        assert isinstance(field.metadata["group"], Group)
        bounded = field.metadata["between"] or field.metadata["choices"]
        assert bounded or isinstance(field.default, float) or field.name in ("init", "workers")


def test_what_a_teacher_asks_for_stands_behind_everything_else(tmp_path):
    exact = resolve("quick", teacher="exact")
    assert (exact.learning_rate, exact.value_loss, exact.networks) == (0.004, "absolute", "value")
    assert resolve("quick", teacher="exact", learning_rate=0.01).learning_rate == 0.01
    (tmp_path / "best.json").write_text('{"teacher": "exact", "value_loss": "squared"}')
    found = resolve_as(Config, "standard", {}, tmp_path / "best.json")
    assert (found.learning_rate, found.value_loss) == (0.004, "squared")
    for teacher in ("search", "outcome", None):
        assert resolve("quick", teacher=teacher).learning_rate == 0.001


def test_the_search_plays_its_share_of_the_games():
    assert Config(teacher="iteration", games=1000, search_share=0.3).search_games == 300
    assert Config(teacher="iteration", games=1000, search_share=0).search_games == 2  # one to train on, one to validate
    assert Config(teacher="search", games=1000, search_share=0.3).search_games == 1000


def test_iteration_needs_a_value_network():
    with pytest.raises(ValueError, match="needs a value network"):
        Config(teacher="iteration", networks="policy")


def test_older_runs_keep_their_optimizer_and_weights():
    """Settings that a run's config.json lacks are those with which it was made."""
    for kind in (Config, SelfplayConfig):
        old = {name: value for name, value in kind().to_dict().items() if name not in ("optimizer", "search_share")}
        assert kind.from_dict(old).optimizer == "adam"
    assert Config.from_dict({}).averaging == 0


def test_the_engine_takes_as_many_workers_and_layers():
    assert MAX_WORKERS == cores.MAX_WORKERS
    assert MOST_HIDDEN == layers.MOST_LAYERS - 1
