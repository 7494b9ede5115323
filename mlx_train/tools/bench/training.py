"""A compiled training step of both networks on the CPU, with PyTorch on the same work as the peer."""

import itertools
from importlib.metadata import version
from importlib.util import find_spec

from engine.core.features import FEATURE_NAMES
from engine.network.document import POLICY_OUTPUTS
from mlx_train.config import Config
from mlx_train.tools.bench.measure import Row, median_seconds, rate
from mlx_train.tools.doctor import training_speed

_STEPS = 30


def rows() -> list[Row]:
    """Samples a second; where PyTorch is installed, ours is the mean of a measure before it and one after."""
    batch_size = Config.batch_size
    ours = training_speed("cpu", batch_size)
    peer = "PyTorch: not installed (pip install torch)"
    if find_spec("torch") is not None:
        theirs = torch_speed(batch_size)
        ours = (ours + training_speed("cpu", batch_size)) / 2
        peer = f"PyTorch {version('torch')}: {theirs:,.0f} samples/s (ours is {ours / theirs:.2f} of it)"
    what = f"training, both networks, batch {batch_size}, CPU"
    return [Row(what, rate(ours, 1, "samples"), "doctor.training_speed", peer)]


def torch_speed(batch_size: int) -> float:
    """Samples a second of the same step in PyTorch: two networks, one Adam, its default settings."""
    import torch

    nn = torch.nn

    def network(outputs: int) -> torch.nn.Module:
        sizes = [len(FEATURE_NAMES), *Config.hidden_sizes]
        layers = [part for a, b in itertools.pairwise(sizes) for part in (nn.Linear(a, b), nn.ReLU())]
        return nn.Sequential(*layers, nn.Linear(sizes[-1], outputs))

    torch.manual_seed(0)
    value, policy = network(1), network(POLICY_OUTPUTS)
    optimizer = torch.optim.Adam([*value.parameters(), *policy.parameters()], Config.learning_rate)
    inputs = (torch.rand(batch_size, len(FEATURE_NAMES)) < 0.4).float()
    targets = torch.rand(batch_size) * 2 - 1
    policies = torch.softmax(torch.randn(batch_size, POLICY_OUTPUTS), dim=1)
    legal = torch.ones(batch_size, POLICY_OUTPUTS, dtype=torch.bool)

    def steps() -> None:
        for _ in range(_STEPS):
            optimizer.zero_grad(set_to_none=True)
            logits = torch.where(legal, policy(inputs), -1e9)
            loss = nn.functional.mse_loss(torch.tanh(value(inputs)[:, 0]), targets)
            loss = loss - (policies * nn.functional.log_softmax(logits, dim=1)).sum(dim=1).mean()
            loss.backward()
            optimizer.step()

    return _STEPS * batch_size / median_seconds(steps)
