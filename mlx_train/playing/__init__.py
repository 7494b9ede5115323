"""Games that a person plays or looks at: records, review, the terminal, the page's server. Matches do not belong here."""
