"""The classic opponent: its evaluation and its expectiminimax search. Networks and exact values do not belong here."""
