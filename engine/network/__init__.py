"""Networks without MLX: weights files, the forward pass, and look-ahead. Training does not belong here."""
