"""MLX on the chosen device: its BLAS, its memory, and the engine's kernels on a GPU. Networks and training do not
belong here.
"""
