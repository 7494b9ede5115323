"""The batches of each teacher."""

import pytest

from mlx_train.config import TEACHERS, Config
from mlx_train.data.exact import ExactSource
from mlx_train.data.games import Decisions
from mlx_train.data.iteration import IterationSource
from mlx_train.data.search import SearchSource
from mlx_train.runs import training


def test_every_teacher_has_a_source():
    assert set(training.SOURCES) == set(TEACHERS)


@pytest.mark.parametrize("teacher", ["search", "outcome"])
def test_a_teacher_of_games_reads_them(games, teacher):
    source, about = training.training_data(Config(teacher=teacher), lambda: Decisions(games, {"depth": 2}))
    assert isinstance(source, SearchSource)
    assert about == {"num_games": 40, "num_training_samples": len(source.training), "depth": 2}


def test_the_teacher_iteration_begins_with_the_search(games):
    config = Config(teacher="iteration", games=200, search_share=0.2)
    source, about = training.training_data(config, lambda: Decisions(games, {"depth": 2}))
    assert isinstance(source, IterationSource)
    assert (source.passes, about["num_games"]) == (5, 40)
    assert source.total_steps == config.epochs * 5 * source.search.steps_per_epoch


def test_the_exact_teacher_reads_no_games(table, monkeypatch):
    monkeypatch.setattr(training, "solved_table", lambda config, ranks: table)
    source, about = training.training_data(Config(teacher="exact"), lambda: pytest.fail("games were read"))
    assert isinstance(source, ExactSource)
    assert source.table is table
    assert about["num_training_samples"] is None


def test_a_teacher_without_a_source_is_an_error(monkeypatch):
    monkeypatch.delitem(training.SOURCES, "outcome")
    with pytest.raises(KeyError, match="outcome"):
        training.training_data(Config(teacher="outcome"), lambda: pytest.fail("games were read"))
