"""The products of several pairs of small matrices in one kernel: this one runs shorter than a GPU starts it."""

from collections.abc import Sequence

from mlx_train.device import kernels
from mlx_train.device.backend import mx

_GROUP = 128


def products(lefts: Sequence[mx.array], rights: Sequence[mx.array], *, transposed: str = "") -> list[mx.array]:
    """The product of each pair of float32 matrices: by one kernel on a GPU, one by one elsewhere.

    transposed: "left" or "right" for the products with that factor of every pair transposed.
    """
    if not kernels.available():
        return [
            (left.T if transposed == "left" else left) @ (right.T if transposed == "right" else right)
            for left, right in zip(lefts, rights, strict=True)
        ]
    shapes = [
        (left.shape[transposed == "left"], right.shape[transposed != "right"])
        for left, right in zip(lefts, rights, strict=True)
    ]
    inner = [left.shape[transposed != "left"] for left in lefts]
    names = [[f"{kind}{number}" for number in range(len(lefts))] for kind in ("left", "right", "product")]
    body = source([(height, depth, width) for (height, width), depth in zip(shapes, inner, strict=True)], transposed)
    return list(
        kernels.kernel("ur_products", (*names[0], *names[1]), tuple(names[2]), body)(
            inputs=[*lefts, *rights],
            grid=(sum(height * width for height, width in shapes), 1, 1),
            threadgroup=(_GROUP, 1, 1),
            output_shapes=shapes,
            output_dtypes=[mx.float32] * len(shapes),
        )
    )


def source(sizes: Sequence[tuple[int, int, int]], transposed: str) -> str:
    """The kernel's body; a thread computes one element. sizes: (height, width of the left factor, width) by product."""
    text, begin = "", 0
    for number, (height, depth, width) in enumerate(sizes):
        left = f"k * {height} + row" if transposed == "left" else f"row * {depth} + k"
        right = f"column * {depth} + k" if transposed == "right" else f"k * {width} + column"
        end = begin + height * width
        text += f"""
    if (thread_number >= {begin}u && thread_number < {end}u) {{
        unsigned int element = thread_number - {begin}u, row = element / {width}u, column = element % {width}u;
        float sum = 0.0f;
        for (unsigned int k = 0; k < {depth}u; k++)
            sum += left{number}[{left}] * right{number}[{right}];
        product{number}[element] = sum;
    }}
"""
        begin = end
    return text
