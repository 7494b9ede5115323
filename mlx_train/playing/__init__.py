"""Games with a person: records, review, the terminal, the page's server. Matches between agents do not belong here."""
