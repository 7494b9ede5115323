"""What `render` returns: the engine's own drawings of a position, as text or as pixels."""

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.core.position import Position
from engine.drawing import Board
from engine.machine.installation import explained_imports
from environments.turns import Turns

with explained_imports():
    import gymnasium

#: The ways to render, as PettingZoo and Gymnasium spell them.
RENDER_MODES = ("human", "ansi", "rgb_array")

#: Pixels of a picture's longer side.
PIXELS = 560


def text(position: Position, roll: int | None, seat: int) -> str:
    """The board in characters. seat: of the side to move."""
    return Board(position, roll, seat=seat).text().plain


def pixels(position: Position, roll: int | None, seat: int) -> NDArray[np.uint8]:
    """The board as a picture: (height, width, 3) uint8."""
    with explained_imports():
        import resvg_py
        from PIL import Image

    png = resvg_py.svg_to_bytes(svg_string=str(position.svg(roll, seat=seat, theme="light", width=PIXELS)))
    with Image.open(io.BytesIO(bytes(png))) as image:
        return np.array(image.convert("RGB"))


def check_render_mode(mode: str | None) -> str | None:
    """The mode, if it is None or one of `RENDER_MODES`. Raises ValueError."""
    if mode is not None and mode not in RENDER_MODES:
        raise ValueError(f"unknown render mode {mode!r} (known: {', '.join(RENDER_MODES)})")
    return mode


def render(mode: str | None, turns: Turns) -> Any:
    """What an environment's `render` returns: text, pixels, None after "human" has printed the board.

    Without a mode: None, with a warning.
    """
    shown = turns.position, turns.roll, turns.viewer
    if mode is None:
        gymnasium.logger.warn("render() was called without a render mode")
    elif mode == "rgb_array":
        return pixels(*shown)
    elif mode == "ansi":
        return text(*shown)
    else:
        print(text(*shown))
    return None
