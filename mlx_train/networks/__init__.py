"""The networks in MLX, and their weights as JSON. Training and measuring do not belong here."""
