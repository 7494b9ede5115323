"""The solved game: its order, look-up, file, solver, verification, statistics. Players that use it do not belong here."""
