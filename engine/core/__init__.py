"""The game: rules, positions, dice, the loop that plays, and features. No player and no evaluation belongs here."""
