"""Two players, one game turn by turn, then a match. Needs numpy alone.

python examples/play_two_agents.py [AGENT] [AGENT]
"""

import sys

from engine import Agent, Position, play_match
from engine.core.dice import rolls

names = sys.argv[1:3] if len(sys.argv) > 2 else ["net:ur-3k", "emm:2"]
agents = [Agent.parse(name) for name in names]

position, seat = Position.initial(), 0
for turn, roll in enumerate(rolls(7, 0, 1000), start=1):  # the dice of game 0 under seed 7
    square = agents[seat].best_move(position, roll)
    if square is None:
        print(f"{turn:3}  {names[seat]:<10} rolls {roll}, passes")
        position, seat = position.swapped, 1 - seat
        continue
    position, again = position.play(roll, square)
    print(
        f"{turn:3}  {names[seat]:<10} rolls {roll}, moves from {square or 'the hand'}{', rolls again' if again else ''}"
    )
    if position.is_over:
        print(f"{names[seat]} wins")
        break
    seat = seat if again else 1 - seat

result = play_match(*agents, 200)
print(f"{names[0]} wins {100 * result.won.mean():.1f} % of {result.games} games, {result.turns.mean():.0f} turns each")
