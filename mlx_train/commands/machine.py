"""doctor: what works on this machine."""

import json

from mlx_train.commands.options import JsonFlag


def doctor(as_json: JsonFlag = False) -> None:
    """Show versions, devices with a timed training step on each, cores and BLAS: what works here, and why not."""
    from mlx_train.tools.doctor import examine, table

    result = examine()
    print(json.dumps(result, indent=2) if as_json else table(result))
