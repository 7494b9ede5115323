"""What the engine needs of the computer: performance cores, threads, and files that are written whole. Nothing here knows the game."""
