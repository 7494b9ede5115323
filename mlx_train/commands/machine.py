"""doctor: what works on this machine."""

import json
from pathlib import Path
from typing import Annotated

import typer

from mlx_train.commands.options import Files, JsonFlag


def doctor(
    as_json: JsonFlag = False,
    report: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Also compare the GPU with the engine, and write all of it to this file, without names, to send.",
            show_default="no report",
        ),
    ] = None,
) -> Files:
    """Show versions, devices with a timed training step on each, cores and BLAS: what works here, and why not."""
    if report is not None:
        from mlx_train.tools.doctor_report import write_report

        print(json.dumps(write_report(report), indent=2))
        return {"report": report}
    from mlx_train.tools.doctor import examine, table

    result = examine()
    print(json.dumps(result, indent=2) if as_json else table(result))
    return {}
