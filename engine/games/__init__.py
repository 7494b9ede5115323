"""Players, and what plays whole games: matches, decisions, training rows, returns. Rules do not belong here."""
