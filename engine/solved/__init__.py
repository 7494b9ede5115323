"""The exact solution: its order, look-up, file, solver, verification and statistics. Players that use it do not belong here."""
