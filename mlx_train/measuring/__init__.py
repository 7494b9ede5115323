"""How strong, exact and lucky a player is, in numbers and tables of numbers. Pictures and files do not belong here."""
