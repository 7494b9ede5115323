"""Training networks for the Royal Game of Ur with MLX, and the command line."""
