"""The notebooks: run from top to bottom, and kept in git without their outputs.

    python -m mlx_train.tools.notebooks [FILE ...]           run in full; the results go to runs/notebooks
    python -m mlx_train.tools.notebooks --strip [FILE ...]   take outputs and counts out of the files
    python -m mlx_train.tools.notebooks --check [FILE ...]   fail if a file has some, as pre-commit does

A notebook's sizes stand in its one cell tagged `parameters`; `execute` can put other values after it.
"""

import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlx_train.config import RUNS
from mlx_train.system.files import write_text
from mlx_train.system.progress import duration, say

#: The notebooks' folder, and the folder of the results of a run, from the checkout's root.
NOTEBOOKS, RESULTS = Path("notebooks"), RUNS / "notebooks"

#: The tag of the cell with a notebook's sizes.
PARAMETERS = "parameters"

_CELL_SECONDS = 1800  # that one cell may take

# A notebook's metadata in git. Editors add versions and more, which differ from machine to machine.
_METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def stripped(text: str) -> str:
    """A notebook's text without outputs, counts and metadata except tags. Raises ValueError for what is no JSON."""
    document = json.loads(text)
    for cell in document["cells"]:
        cell["metadata"] = {key: value for key, value in cell["metadata"].items() if key == "tags"}
        if cell["cell_type"] == "code":
            cell |= {"outputs": [], "execution_count": None}
    document["metadata"] = _METADATA
    return json.dumps(document, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def parameter_cell(document: Mapping[str, Any]) -> int:
    """The number of the cell tagged `parameters`. Raises ValueError unless there is exactly one."""
    numbers = [i for i, cell in enumerate(document["cells"]) if PARAMETERS in cell["metadata"].get("tags", ())]
    if len(numbers) != 1:
        raise ValueError(f"a notebook has one cell tagged {PARAMETERS!r}, not {len(numbers)}")
    return numbers[0]


def execute(path: Path, parameters: Mapping[str, Any] | None = None) -> Any:
    """Run a notebook in its folder -> the notebook with its outputs; the file is not changed.

    parameters: values by name, which replace those of the parameter cell. Raises ValueError for a name that the
    parameter cell does not assign, RuntimeError for a cell that fails.
    """
    import nbclient
    import nbformat

    notebook = nbformat.read(path, as_version=4)
    if parameters:
        at = parameter_cell(notebook)
        assigned = {line.partition("=")[0].strip() for line in notebook.cells[at].source.splitlines()}
        unknown = set(parameters) - assigned
        if unknown:
            raise ValueError(f"{path}: no such parameters: {', '.join(sorted(unknown))}")
        source = "\n".join(f"{name} = {value!r}" for name, value in parameters.items())
        notebook.cells.insert(at + 1, nbformat.v4.new_code_cell(source))
    client = nbclient.NotebookClient(
        notebook,
        timeout=_CELL_SECONDS,
        kernel_name="python3",
        resources={"metadata": {"path": str(path.parent)}},
        extra_arguments=["--log-level=ERROR"],  # kernels warn of sockets without encryption, which are local
    )
    try:
        client.execute()
    except nbclient.exceptions.CellExecutionError as error:
        raise RuntimeError(f"{path}: {error.ename}: {error.evalue}") from None
    return notebook


def run_all(paths: list[Path], results: Path = RESULTS) -> None:
    """Run notebooks in full and write them with their outputs. Raises RuntimeError at the first that fails."""
    import nbformat

    for path in paths:
        say(f"running {path}")
        start = time.perf_counter()
        notebook = execute(path)
        results.mkdir(parents=True, exist_ok=True)
        write_text(results / path.name, nbformat.writes(notebook))
        print(f"{results / path.name}  {duration(time.perf_counter() - start)}")


def main(words: list[str]) -> None:
    """The command line of this module."""
    flags = {word for word in words if word.startswith("-")}
    paths = [Path(word) for word in words if word not in flags] or sorted(NOTEBOOKS.glob("*.ipynb"))
    if flags - {"--strip", "--check"} or len(flags) > 1:
        print(__doc__, file=sys.stderr)
        sys.exit(2)
    try:
        if not flags:
            run_all(paths)
            return
        full = [path for path in paths if stripped(path.read_text()) != path.read_text()]
        if flags == {"--strip"}:
            for path in full:
                write_text(path, stripped(path.read_text()))
        elif full:
            raise ValueError(f"outputs in {', '.join(map(str, full))}: python -m mlx_train.tools.notebooks --strip")
    except (OSError, ValueError, RuntimeError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main(sys.argv[1:])
