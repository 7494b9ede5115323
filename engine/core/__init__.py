"""The game itself: rules, positions, dice, and the features of a position. No player and no evaluation belongs here."""
