"""Records of games: the own format and those of other programs, a module each. Judging moves does not belong here."""
