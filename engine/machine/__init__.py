"""Performance cores, threads, atomic numbers, and files that are written whole. Nothing here knows the game."""
