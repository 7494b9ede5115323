"""The one trainer: step, optimizers, schedule, checkpoints, several processes. Sources of batches and run folders
do not belong here.
"""
