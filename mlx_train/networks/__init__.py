"""The networks in MLX, their weights as JSON, and the manifest of the shipped ones. Training and measuring do not
belong here.
"""
