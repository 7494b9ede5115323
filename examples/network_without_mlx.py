"""A shipped network plays and values positions, through the engine and by hand in numpy. Needs numpy alone.

python examples/network_without_mlx.py
"""

from itertools import pairwise

import numpy as np

from engine import FEATURE_SCALES, Agent, Network, Position, extract_features_bytes, sample_decisions
from engine.network.document import read_document
from engine.network.shipped import shipped_models

path = shipped_models()["ur-3k"]
network = Network.load(path)
position = Position.initial()
print(f"{path.name}: {network.hidden_sizes}, the opening wins {100 * network.value(position):.2f} %")
print("after a roll of 2:", Agent.from_network(network).moves(position, 2))
print("two turns ahead:  ", Agent.from_network(network, depth=2).moves(position, 2))

# The same in numpy, for many positions at once: bytes, scales, layers.
document = read_document(path)
sizes = [150, *document["network_config"]["hidden_sizes"], 1]
positions, _ = sample_decisions(1000)
x = extract_features_bytes(positions) * FEATURE_SCALES
flat = document["value_weights"]
for number, (inputs, outputs) in enumerate(pairwise(sizes)):
    matrix, bias, flat = np.split(flat, [inputs * outputs, (inputs + 1) * outputs])
    x = x @ matrix.reshape(inputs, outputs) + bias
    if number < len(sizes) - 2:
        x = np.maximum(x, 0) if document["architecture"]["activation"] == "relu" else x / (1 + np.exp(-x))
values = (np.tanh(x[:, 0]) + 1) / 2
engine = [network.value(Position.from_packed(int(packed))) for packed in positions]
print(f"1000 positions: largest difference from the engine {np.abs(values - engine).max():.1e}")
