"""The commands of `python -m mlx_train`, a family in each module; mlx_train/cli.py lists them.

A command parses what was typed, calls the module that does the work, and prints. Heavy imports happen inside it.
"""
