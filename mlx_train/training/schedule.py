"""The learning rate of every training."""

from collections.abc import Callable

from mlx_train.config import Config, SelfplayConfig
from mlx_train.device.backend import mx, optim


def learning_rate_schedule(config: Config | SelfplayConfig, steps: int) -> Callable[[mx.array], mx.array]:
    """-> a function of the step, counted from 0: linear warm-up, then a cosine down to zero at the last of `steps`."""
    warmup = max(1, round(config.warmup * steps))
    rise = optim.linear_schedule(0.0, config.learning_rate, warmup)
    fall = optim.cosine_decay(config.learning_rate, max(1, steps - warmup))
    return optim.join_schedules([rise, fall], [warmup])
