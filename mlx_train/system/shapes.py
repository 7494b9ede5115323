"""The shape of JSON values from a file: whether they have the keys and types that their readers take for granted."""

import math
import sys
from typing import Any

#: A shape is a type; None; a tuple of shapes, of which one fits; a list with the shape of all items; or a dictionary.
#: Of a dictionary the keys must be there, except those that end in a question mark; the key `str` stands for all keys;
#: keys that it lacks are free. `float` is a finite number, also an int. True is no number.
Shape = Any


def fits(value: Any, shape: Shape) -> bool:
    """Whether a JSON value has a shape."""
    if isinstance(shape, tuple):
        return any(fits(value, each) for each in shape)
    if isinstance(shape, list):
        return isinstance(value, list) and all(fits(item, shape[0]) for item in value)
    if isinstance(shape, dict):
        return isinstance(value, dict) and all(_entry_fits(value, key, each) for key, each in shape.items())
    if shape is float:
        return type(value) in (int, float) and abs(value) <= sys.float_info.max and math.isfinite(value)
    return value is None if shape is None else type(value) is shape


def _entry_fits(value: dict[str, Any], key: Any, shape: Shape) -> bool:
    if key is str:
        return all(fits(item, shape) for item in value.values())
    name = key.removesuffix("?")
    return fits(value[name], shape) if name in value else key != name
