"""Networks without MLX: reading and checking weights files, the forward pass, and look-ahead. Training does not belong here."""
