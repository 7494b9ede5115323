"""Records of self-play: replayed by the referee, the same for any number of workers."""

import numpy as np
import pytest
import referee
from replay import play_game, position_of, rolls_of

from engine import Position, Search, selfplay
from engine.games.decisions import DECISION_DTYPE

CHUNK = 16  # games handed to a worker at a time


class TestSelfplay:
    @pytest.mark.parametrize(
        ("depth", "preset", "exploration"), [(1, "evolved", 0.0), (2, "default", 0.0), (2, "evolved", 0.3)]
    )
    def test_replayed_by_the_referee(self, depth, preset, exploration):
        """Whole games out of the dice and the records."""
        games, seed = 12, 2**33 + 5
        search = Search(depth, preset)
        records = selfplay(games, search, seed, exploration=exploration, workers=1)
        assert records.dtype == DECISION_DTYPE
        best = 0
        for game in range(games):
            mine = iter(records[records["game"] == game])
            met = []

            def choose(state, roll, squares, first_moves, mine=mine, met=met):
                if len(squares) == 1:
                    return squares[0]
                record = next(mine)
                met.append((record, first_moves))
                assert int(record["position"]) == referee.packed(state)
                assert record["roll"] == roll
                assert record["moves"] == len(squares)
                values = [value for _, value in search.moves(position_of(state), roll)]
                np.testing.assert_array_equal(record["values"][: len(squares)], np.float32(values))
                assert np.isnan(record["values"][len(squares) :]).all()
                nonlocal best
                best += record["chosen"] == values.index(max(values))
                assert exploration or record["chosen"] == values.index(max(values))
                return squares[record["chosen"]]

            first_wins, _ = play_game(rolls_of(seed, game), choose)
            assert next(mine, None) is None
            assert met
            for record, first_moves in met:
                assert record["outcome"] == (1 if first_moves == first_wins else -1)
        share = best / len(records)
        assert share == 1 if exploration == 0 else 0.7 < share < 0.95

    def test_exploration_chooses_every_move(self):
        records = selfplay(60, Search(1), 9, exploration=1.0)
        three = records[records["moves"] == 3]
        assert len(three) > 300
        # Chi-square with 2 degrees of freedom exceeds this once in a thousand samples.
        seen = np.bincount(three["chosen"], minlength=3)
        assert ((seen - len(three) / 3) ** 2 / (len(three) / 3)).sum() < 13.8

    def test_in_order_of_the_games(self):
        records = selfplay(3 * CHUNK, Search(1), 2)
        assert (np.diff(records["game"].astype(int)) >= 0).all()
        assert np.array_equal(np.unique(records["game"]), np.arange(3 * CHUNK))

    def test_a_later_start(self):
        records = selfplay(50, Search(1), 8, exploration=0.2)
        later = selfplay(20, Search(1), 8, exploration=0.2, first=30)
        assert later.tobytes() == records[records["game"] >= 30].tobytes()

    @pytest.mark.parametrize("options", [{}, {"exploration": 0.2}, {"playouts": 1, "finisher": Search(1)}])
    def test_the_same_bytes_for_any_number_of_workers(self, options):
        one, two, three = (
            selfplay(70, Search(2, "evolved"), 6, workers=workers, **options).tobytes() for workers in (1, 2, 3)
        )
        assert one == two == three

    def test_without_playouts_there_are_no_results(self, games):
        assert not games["results"].any()

    def test_playouts_replayed_by_the_referee(self):
        """After each move of a decision the game goes on by the finisher, with the same dice for all moves."""
        seed, number = 77, 3
        finisher = Search(1, "evolved")
        records = selfplay(1, Search(2), seed, playouts=number, finisher=finisher, workers=1)
        choose = lambda state, roll, squares, _: finisher.best_move(position_of(state), roll)  # noqa: E731
        for decision in range(0, len(records), 12):
            record = records[decision]
            position, roll = Position.from_packed(int(record["position"])), int(record["roll"])
            results = []
            for square in position.legal_moves(roll):
                after, same_player = position.play(roll, square)
                total = 0
                for i in range(number):
                    rolls = rolls_of(seed, 0, stream=2 + number * decision + i)
                    won, _ = play_game(rolls, choose, referee.from_notation(str(after)))
                    total += 1 if won == same_player else -1
                results.append(total)
            assert record["results"].tolist() == results + [0] * (7 - len(results))

    def test_playouts_change_nothing_else(self):
        plain = selfplay(4, Search(1), 5, exploration=0.1)
        played = selfplay(4, Search(1), 5, exploration=0.1, playouts=2)
        assert played["results"].any()
        played["results"] = 0
        assert played.tobytes() == plain.tobytes()
