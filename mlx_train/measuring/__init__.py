"""How strong, exact and lucky a player is, in numbers. Pictures and files do not belong here."""
