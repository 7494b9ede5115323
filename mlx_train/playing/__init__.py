"""Games that people play or look at: records, review, terminal, the page's server. Matches do not belong here."""
