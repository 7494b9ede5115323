"""The arrays of the batched environment in PyTorch or JAX, without a copy. Needs one of them.

python examples/arrays_without_copy.py
"""

from importlib.util import find_spec

import numpy as np

from engine import BatchEnv

if find_spec("torch") is not None:
    from torch import from_dlpack
else:
    from jax.numpy import from_dlpack

env = BatchEnv(1024, observation="planes", seed=3)
batch = env.reset(out=env.arrays())
observations = from_dlpack(batch.observations)  # shares the memory: each step writes into it
for _ in range(10):
    env.step(env.random_actions(), batch)
    view = np.from_dlpack(observations)
    assert np.shares_memory(view, batch.observations)
    assert np.array_equal(view, batch.observations)
print(type(observations).__module__, observations.shape, observations.dtype, "shares the environment's memory")
