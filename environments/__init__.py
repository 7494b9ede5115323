"""The game as environments of other libraries: OpenSpiel, PettingZoo and Gymnasium. Each module needs its extra."""
