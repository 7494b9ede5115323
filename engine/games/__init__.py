"""Players, and everything that plays whole games: matches, records, training rows, returns. Rules do not belong here."""
