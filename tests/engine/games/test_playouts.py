"""Random games: replayed by the referee, the same for any number of workers."""

from replay import play_game, words

from engine import playouts


class TestPlayouts:
    def test_replayed_by_the_referee(self):
        """One word of the generator gives a turn's roll, by its low four bits, and choice, by the others."""
        seed, games = 2**40 + 7, 25
        wins = turns = 0
        for game in range(games):
            drawn = []
            source = words(seed, game)

            def rolls(source=source, drawn=drawn):
                while True:
                    drawn.append(next(source))
                    yield (drawn[-1] % 16).bit_count()

            won, length = play_game(
                rolls(), lambda state, roll, squares, _, drawn=drawn: squares[(drawn[-1] >> 4) * len(squares) >> 28]
            )
            wins += won
            turns += length
        assert playouts(games, seed, workers=1) == (games, turns, wins)

    def test_totals(self):
        total = playouts(20_000, 3, workers=2)
        assert total.games == 20_000
        assert 0.49 < total.first_wins / total.games < 0.55
        assert total == playouts(20_000, 3, workers=1) == playouts(20_000, 3, workers=3)
        assert total != playouts(20_000, 4)
        assert total == playouts(games=20_000, seed=3)
