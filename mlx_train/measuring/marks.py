"""The marks of moves: how much win probability a doubtful, a bad and a very bad move give away."""

#: The least points of win probability that a marked move gives away, the mark's sign and its name. GNU Backgammon's
#: marks are 0.04, 0.08 and 0.16 of equity, which is 2p - 1.
MARKS = ((8.0, "??", "very bad"), (4.0, "?", "bad"), (2.0, "?!", "doubtful"))

#: Decimals of points in a text.
DIGITS = 2


def mark_of(regret: float) -> tuple[str, str]:
    """The sign and the name of the mark of a regret in points; two empty strings below the least mark.

    The regret is rounded as in the text, so that a move shown with 4.00 has the mark that begins at 4.
    """
    return next(((sign, name) for least, sign, name in MARKS if round(regret, DIGITS) >= least), ("", ""))
