"""The page in Chromium: what it transfers, how long an opponent takes in its worker, and the worker's memory."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mlx_train.playing.server import Server, locate
from mlx_train.tools.bench.measure import Row
from mlx_train.tools.bench.wasm import MODEL, choice_row
from mlx_train.tools.browser import chromium, missing

if TYPE_CHECKING:
    from playwright.sync_api import Page

_GAMES = 20

# Games of an agent against itself through the page's own engine; its worker measures every choice that is not forced.
_PLAY_GAMES = """async ({agent, games}) => {
    const { Engine } = await import("./engine.js");
    const { Game, rollOf, throwDice } = await import("./game.js");
    const engine = new Engine();
    const address = new URL(`../weights/quantized/${agent.network}.json.gz`, document.baseURI).href;
    if (agent.network) await engine.fetchNetwork(agent.network, [address]);
    const times = [];
    for (let played = 0; played < games; played++)
        for (const game = new Game({ seats: [], names: [] }); game.winner === null; ) {
            const roll = rollOf(game.rules, throwDice(game.rules));
            game.rolled(roll, await engine.options(game.position, roll));
            const { moves } = game.options;
            if (moves.length < 2) { game.play(moves[0] ?? null); continue; }
            const { square, microseconds } = await engine.choose(agent, game.position, roll);
            times.push(microseconds);
            game.play(moves.find((move) => move.square === square));
        }
    return times;
}"""

# A person's choice in the settings.
_JUDGE = """(name) => {
    const field = document.getElementById("judge");
    field.value = name;
    field.dispatchEvent(new Event("change"));
}"""


def rows() -> list[Row]:
    """Bytes transferred, memory, and times of choices; or why they can't be measured."""
    reason = missing()
    if reason:
        return [Row("the page in Chromium", f"not measured: {reason}")]
    with Server(locate(), 0).background() as address, chromium() as browser:
        page = browser.new_page()
        return [_transfer(page, address), _memory(page), *_choices(page)]


def _transfer(page: "Page", address: str) -> Row:
    """Open the page, and count what it transfers until the first turn can be played, and until its judge is there."""
    sizes: list[int] = []
    page.on("requestfinished", lambda request: sizes.append(_transferred(request)))
    page.goto(address)
    page.wait_for_selector("#action:not([disabled])")
    playable = sum(sizes)
    _judged_by(page, "")
    what = f"{playable:,} bytes; {sum(sizes):,} with the judge of its verdicts"
    return Row("the page until the first turn can be played", what, "transferred, with headers")


def _judged_by(page: "Page", name: str) -> None:
    """Wait until a network judges; the name may be empty for any."""
    page.locator("#about-judge", has_text=f"Verdicts by {name}").wait_for(state="attached")


def _memory(page: "Page") -> Row:
    """Let the standard network judge, and measure the worker that holds it."""
    page.evaluate(_JUDGE, MODEL)
    _judged_by(page, MODEL)
    memory = page.evaluate("performance.measureUserAgentSpecificMemory()")
    worker = sum(part["bytes"] for part in memory["breakdown"] if _is_worker(part))
    what = "the page's worker with its player's network and the standard network"
    return Row(what, f"{worker / 2**20:.2f} MiB", "performance.measureUserAgentSpecificMemory")


def _choices(page: "Page") -> list[Row]:
    rows = []
    for name, agent in (("the standard network", {"network": MODEL}), ("emm:3", {"depth": 3})):
        times = page.evaluate(_PLAY_GAMES, {"agent": agent, "games": _GAMES})
        rows.append(choice_row(f"one move of {name} in Chromium's worker", times, "choices of self-play"))
    return rows


def _transferred(request: Any) -> int:
    # Of a worker's script the browser reports no body size; the server, which compresses nothing, says it.
    return request.sizes()["responseHeadersSize"] + int(request.response().headers["content-length"])


def _is_worker(part: Mapping[str, Any]) -> bool:
    return any(source.get("scope") == "DedicatedWorkerGlobalScope" for source in part["attribution"])
