"""Where training rows come from: games, labels, batches, and the solved game. The training step does not belong
here.
"""
