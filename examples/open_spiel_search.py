"""OpenSpiel's Monte Carlo tree search plays our expectiminimax. Needs the extra `openspiel`.

python examples/open_spiel_search.py [SIMULATIONS] [GAMES]
"""

import sys

import numpy as np
import pyspiel
from open_spiel.python.algorithms import mcts

import environments.open_spiel  # registers the game
from engine import Agent

simulations = int(sys.argv[1]) if len(sys.argv) > 1 else 50
games = int(sys.argv[2]) if len(sys.argv) > 2 else 2
random = np.random.RandomState(1)
game = pyspiel.load_game(environments.open_spiel.NAME, {"rules": "finkel"})
bot = mcts.MCTSBot(game, 1.4, simulations, mcts.RandomRolloutEvaluator(1, random), random_state=random)
agent = Agent.parse("emm:1")

for number in range(games):
    state = game.new_initial_state()
    while not state.is_terminal():
        if state.is_chance_node():
            outcomes, probabilities = zip(*state.chance_outcomes(), strict=True)
            state.apply_action(int(random.choice(outcomes, p=probabilities)))
        elif state.current_player() == number % 2:
            state.apply_action(bot.step(state))
        else:
            square = agent.best_move(state.position, state.roll)
            state.apply_action(state.legal_actions()[-1] if square is None else square)
    winner = "MCTS" if state.returns()[number % 2] > 0 else agent.name
    print(f"game {number + 1}: {winner} wins after {len(state.history()) // 2} turns")
