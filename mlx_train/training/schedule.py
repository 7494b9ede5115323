"""The learning rate of every training, and the optimizer that it steers."""

from collections.abc import Callable

from mlx_train.config import Config, SelfplayConfig
from mlx_train.device.backend import mx, optim

#: Step, counted from 0, -> learning rate.
Schedule = Callable[[mx.array], mx.array]


def learning_rate_schedule(config: Config | SelfplayConfig, steps: int) -> Schedule:
    """Linear warm-up from zero over `config.warmup` of the steps, then a cosine down to zero at the last of them."""
    warmup = max(1, round(config.warmup * steps))
    rise = optim.linear_schedule(0.0, config.learning_rate, warmup)
    fall = optim.cosine_decay(config.learning_rate, max(1, steps - warmup))
    return optim.join_schedules([rise, fall], [warmup])


def make_optimizer(config: Config | SelfplayConfig, steps: int) -> optim.Optimizer:
    """The optimizer of one network for a training of so many steps. Its `state` is what a checkpoint holds of it."""
    return optim.Adam(learning_rate=learning_rate_schedule(config, steps), bias_correction=True)
