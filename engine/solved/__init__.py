"""The solved game: its order, look-up, file, solver, checks and figures. Players that use it do not belong here."""
