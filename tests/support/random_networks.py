"""Weights files with random numbers. `python tests/support/random_networks.py` writes the golden ones anew."""

import json
import random
from itertools import pairwise
from pathlib import Path

import numpy as np

from engine.core.features import features_of

#: A small network and its golden vector, for readers in other languages.
GOLDEN_NETWORK = Path(__file__).with_name("golden_network.json")
GOLDEN_VECTOR = Path(__file__).with_name("golden_vector.json")

OUTPUTS = {"value": 1, "policy": 7}


def float32_text(number):
    """The number whose shortest text is that of the float32 nearest to this one."""
    return float(str(np.float32(number)))


def random_weights(rng, sizes):
    """One flat list: layer by layer, the matrix input by output row-major, then the biases.

    `random()` alone is used, whose sequence Python promises to keep.
    """
    flat = []
    for inputs, outputs in pairwise(sizes):
        bound = (6 / inputs) ** 0.5
        flat += [float32_text((2 * rng.random() - 1) * bound) for _ in range(inputs * outputs)]
        flat += [float32_text(rng.random() - 0.5) for _ in range(outputs)]
    return flat


def random_document(seed=0, hidden=(8, 5), activation="relu", heads=("value", "policy"), rules="finkel"):
    """A weights file as a dictionary."""
    rng = random.Random(seed)
    inputs = len(features_of(rules).names)
    weights = {f"{head}_weights": random_weights(rng, [inputs, *hidden, OUTPUTS[head]]) for head in heads}
    return weights | {
        "network_config": {
            "input_size": inputs,
            "hidden_sizes": list(hidden),
            "value_output_size": 1,
            "policy_output_size": 7,
        },
        "layout": "input-output-row-major-v1",
        "rules": rules,
        "feature_set": features_of(rules).name,
        "value_scale": "2p-1",
        "architecture": {"activation": activation},
        "metadata": {"seed": seed},
    }


def write(path, document):
    """Writes a dictionary as JSON -> the path as text."""
    Path(path).write_text(json.dumps(document) + "\n", encoding="utf-8")
    return str(path)


def layers(flat, sizes):
    """A flat list as [(matrix (inputs, outputs), biases (outputs,))] in float64."""
    flat = np.array(flat, dtype=np.float64)
    taken = 0
    made = []
    for inputs, outputs in pairwise(sizes):
        matrix = flat[taken : taken + inputs * outputs].reshape(inputs, outputs)
        taken += inputs * outputs
        made.append((matrix, flat[taken : taken + outputs]))
        taken += outputs
    assert taken == len(flat)
    return made


def forward(document, head, rows):
    """(n, 150) features -> (n, outputs) before tanh or softmax, in float64."""
    activation = document["architecture"]["activation"]
    sizes = [document["network_config"]["input_size"], *document["network_config"]["hidden_sizes"], OUTPUTS[head]]
    *hidden, (matrix, biases) = layers(document[f"{head}_weights"], sizes)
    x = np.asarray(rows, dtype=np.float64)
    for weights, bias in hidden:
        x = x @ weights + bias
        x = np.maximum(x, 0) if activation == "relu" else x / (1 + np.exp(-x))
    return x @ matrix + biases


def main():
    from mlx_train.networks.golden import golden_vector, write_vector

    write(GOLDEN_NETWORK, random_document(seed=2026))
    write_vector(GOLDEN_VECTOR, golden_vector(GOLDEN_NETWORK, n=12, seed=1))


if __name__ == "__main__":
    main()
