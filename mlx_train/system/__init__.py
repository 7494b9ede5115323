"""What every program needs and no game: progress, tables of text, signals, expected errors, files, provenance. MLX and
the game do not belong here.
"""
