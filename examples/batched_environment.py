"""A policy trained by actor-critic in MLX, on 512 games side by side that it plays against itself: about a minute.

python examples/batched_environment.py [STEPS]        needs the extra `train`
"""

import sys

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim
import numpy as np

from engine import FEATURE_SCALES, Agent, BatchEnv

steps, n = int(sys.argv[1]) if len(sys.argv) > 1 else 4000, 512
env = BatchEnv(n, seed=1)
scales = mx.array(FEATURE_SCALES)
network = nn.Sequential(nn.Linear(150, 64), nn.ReLU(), nn.Linear(64, env.actions + 1))
optimizer = optim.Adam(1e-3)


def forward(batch_inputs, masks):
    """-> (logits of the legal actions, values of the player to move from -1 to 1)."""
    outputs = network(batch_inputs.astype(mx.float32) * scales)
    return mx.where(masks, outputs[:, :-1], -1e9), mx.tanh(outputs[:, -1])


def loss(inputs, masks, actions, returns):
    """Policy gradient with the value as its baseline, the value's error, and some entropy."""
    logits, values = forward(inputs, masks)
    logs = logits - mx.logsumexp(logits, axis=1, keepdims=True)
    chosen = mx.take_along_axis(logs, actions[:, None], axis=1)[:, 0]
    entropy = -mx.sum(mx.where(masks, mx.exp(logs) * logs, 0), axis=1)
    return mx.mean(-chosen * mx.stop_gradient(returns - values) + 0.5 * (returns - values) ** 2 - 0.01 * entropy)


def win_rate(games=500):
    """The share of games that the most probable actions win against random moves."""
    match = BatchEnv(64, opponent=Agent.parse("random"), seed=2)
    batch, results = match.reset(), []
    while len(results) < games:
        logits, _ = forward(mx.array(batch.observations), mx.array(batch.masks))
        batch = match.step(np.array(mx.argmax(logits, axis=1)))
        results += batch.rewards[batch.dones].tolist()
    return np.mean(np.array(results) > 0)


gradient = nn.value_and_grad(network, loss)
batch = env.reset()
for _ in range(steps):
    inputs, masks, players = mx.array(batch.observations), mx.array(batch.masks), batch.players
    actions = mx.random.categorical(forward(inputs, masks)[0])
    batch = env.step(np.array(actions))
    _, after = forward(mx.array(batch.observations), mx.array(batch.masks))
    sign = np.where(batch.players == players, 1, -1) * ~batch.dones  # the next value is the next player's
    optimizer.update(network, gradient(inputs, masks, actions, mx.array(batch.rewards) + mx.array(sign) * after)[1])
    mx.eval(network.parameters(), optimizer.state)
print(f"{steps * n:,} moves: wins {100 * win_rate():.1f} % against random moves")
