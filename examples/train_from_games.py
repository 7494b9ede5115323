"""A value network trained on games of your own: who won from each position. Needs the extra `train`.

python examples/train_from_games.py [GAMES]
"""

import sys

import numpy as np

from engine import Agent, Network, Position, extract_features_bytes, play_match
from engine.core.dice import rolls
from mlx_train.device.backend import mx, nn, optim
from mlx_train.networks.mlp import Networks, values
from mlx_train.networks.weights import save_document, to_document

games = int(sys.argv[1]) if len(sys.argv) > 1 else 3000
player = Agent.parse("emm:1")

# Each game's positions before a roll, seen by the side to move, and whether that side won.
positions, won = [], []
for game in range(games):
    position, seat, seen = Position.initial(), 0, []
    for roll in rolls(1, game, 2000):
        seen.append((position.packed, seat))
        square = player.best_move(position, roll)
        position, again = (position.swapped, False) if square is None else position.play(roll, square)
        if position.is_over:
            break
        seat = seat if again else 1 - seat
    positions += [packed for packed, _ in seen]
    won += [side == seat for _, side in seen]

inputs = mx.array(extract_features_bytes(np.array(positions, dtype=np.uint64)))
targets = 2 * mx.array(np.array(won, dtype=np.float32)) - 1
print(f"{len(won):,} positions of {games} games")

model = Networks((32, 16))
optimizer = optim.Adam(1e-3)
step = nn.value_and_grad(model.value, lambda network, x, y: mx.mean((values(network, x) - y) ** 2))
for epoch in range(4):
    losses = []
    for rows in np.array_split(np.random.default_rng(epoch).permutation(len(won)), max(1, len(won) // 512)):
        loss, gradients = step(model.value, inputs[mx.array(rows)], targets[mx.array(rows)])
        optimizer.update(model.value, gradients)
        mx.eval(model.parameters(), optimizer.state, loss)
        losses.append(loss.item())
    print(f"epoch {epoch + 1}: loss {np.mean(losses):.4f}")

save_document("own-network.json", to_document(model, {"about": "trained on results of games"}, "value"))
result = play_match(Agent.from_network(Network.load("own-network.json")), Agent.parse("random"), 400)
print(f"own-network.json wins {100 * result.won.mean():.1f} % against random moves")
