"""The commands of `python -m mlx_train`, a family in each module; mlx_train/cli.py lists them.

A command reads its arguments and calls one module, which checks them, does the work and prints the results. The command
imports this module when it is called: `--help` loads neither the engine nor MLX.
"""
