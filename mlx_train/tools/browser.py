"""The browser of the tests and of the page's figures: an installed Chromium, driven by Playwright.

python -m mlx_train.tools.browser FOLDER     takes the pictures of the page
"""

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from mlx_train.playing.server import Server, locate

if TYPE_CHECKING:
    from playwright.sync_api import Browser

#: The names of Chromium and its relatives, Debian's first, and where macOS keeps Chrome.
_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_MACOS = Path("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome")


def find_chromium() -> str | None:
    """The path of an installed Chromium, or None."""
    program = next(filter(None, map(shutil.which, _NAMES)), None)
    return program or (str(_MACOS) if _MACOS.exists() else None)


def missing() -> str | None:
    """The name of the package or program that a browser's test needs and that is missing here; None if nothing is."""
    if find_spec("playwright") is None:
        return "no Playwright: pip install playwright"
    return None if find_chromium() else "no Chromium: apt install chromium"


@contextmanager
def chromium() -> Iterator["Browser"]:
    """A headless Chromium. Raises RuntimeError, with what is missing, where there is none."""
    reason = missing()
    if reason:
        raise RuntimeError(reason)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium())
        try:
            yield browser
        finally:
            browser.close()


# The same dice every time, and no animation; `_TAKE_HINTS` plays the person, who takes every hint.
_SEEDED = """
    let state = 7;
    crypto.getRandomValues = (array) => {
        state = (state * 1103515245 + 12345) % 2 ** 31;
        array[0] = state >> 11;
        return array;
    };
    const settings = { seats: ["human", "net:standard"], judge: "ur-293k", speed: "0", help: "hints" };
    localStorage.setItem("ur-settings", JSON.stringify(settings));
"""
_TAKE_HINTS = """async (least) => {
    const next = () => new Promise((resolve) => setTimeout(resolve, 30));
    for (let played = 0; ; await next()) {
        const movable = document.querySelectorAll(".movable");
        const best = document.querySelector(".move.best, .move:only-child");
        if (movable.length > 2 && played >= least && document.querySelector(".arrow.best")) return;
        const move = best ?? document.querySelector("li:only-child .move");
        const button = movable.length ? move : document.getElementById("action");
        if (!button || button.disabled) continue;
        button.click();
        played += movable.length > 0;
    }
}"""

#: Name -> (width, height, colour scheme) of the page's pictures.
_PICTURES: dict[str, tuple[int, int, Literal["dark", "light"]]] = {
    "web": (1280, 830, "light"),
    "web-phone": (390, 844, "dark"),
}


def take_pictures(folder: Path) -> list[Path]:
    """Write pictures of the page in the middle of one game, the same each time. Raises RuntimeError, OSError."""
    paths = []
    with Server(locate(), 0).background() as address, chromium() as browser:
        for name, (width, height, scheme) in _PICTURES.items():
            with browser.new_context(
                viewport={"width": width, "height": height}, color_scheme=scheme, reduced_motion="reduce"
            ) as context:
                page = context.new_page()
                page.add_init_script(_SEEDED)
                page.goto(address)
                page.wait_for_selector("#action:not([disabled])")
                page.evaluate(_TAKE_HINTS, 22)
                paths.append(folder / f"{name}.png")
                page.screenshot(path=paths[-1])
    return paths


if __name__ == "__main__":
    print(*take_pictures(Path(sys.argv[1] if len(sys.argv) > 1 else ".")), sep="\n")
