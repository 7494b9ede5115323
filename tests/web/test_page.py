"""The page in Chromium, Firefox and WebKitGTK. What it shows is compared with the engine here."""

import gzip
import io
import json
import re
from pathlib import Path
from urllib.parse import urlencode

import pytest
from browsers import DESKTOP, PHONE, launched, reason
from PIL import Image

from engine import Network, Position
from engine.core.rules import RULE_SETS, rules
from engine.network.shipped import levels
from mlx_train.playing.records.own import parse
from mlx_train.playing.review import review
from mlx_train.playing.server import Server, locate

ROOT = Path(__file__).parents[2]
RECORDS = ROOT / "tests" / "golden" / "records"
GOLDEN = json.loads((ROOT / "tests" / "support" / "golden_network.json").read_text())
BROWSERS = ("chromium", "firefox", "webkit")
SETTINGS = {"seats": ["human", "emm:1"], "judge": "ur-3k", "speed": "0", "help": "hints", "rules": "finkel"}
HUMANS = ["human", "human"]
#: A game of two pieces a side, as the part of a link behind its #.
NEAR_THE_END = "position=..............%3A5%7C..............%3A5"
READY = "!document.getElementById('action').disabled || document.querySelector('.movable')"
JUDGED = """document.getElementById('chart-words').textContent
    && document.querySelector('#summary-card:not([hidden])[aria-busy=false]')"""

if not (ROOT / "web" / "ur.wasm").exists():
    pytest.skip("web/ur.wasm is not built: make wasm", allow_module_level=True)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Weights files to play against, and some to refuse, by name."""
    folder = tmp_path_factory.mktemp("models")
    contents = {
        "good.json": json.dumps(GOLDEN).encode(),
        "good.json.gz": gzip.compress(json.dumps(GOLDEN).encode()),
        "policy.json": json.dumps({key: value for key, value in GOLDEN.items() if key != "value_weights"}).encode(),
        "short.json": json.dumps(GOLDEN | {"value_weights": GOLDEN["value_weights"][:-1]}).encode(),
        "other.json": json.dumps(GOLDEN | {"feature_set": "ur-151"}).encode(),
        "text.json": b"no network at all",
        "cut.json.gz": gzip.compress(json.dumps(GOLDEN).encode())[:-500],
        "illegal.jsonl": (
            b'{"record": "ur-game", "version": 1, "rules": "finkel", "players": ["a", "b"], "seed": null, '
            b'"start": "..............:0|..............:0"}\n{"player": 0, "roll": 2, "move": 3}\n'
        ),
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture(scope="module")
def address(models):
    """Where the page is; with good.json at /model."""
    with Server(locate(models / "good.json"), 0).background() as address:
        yield address.partition("?")[0]


@pytest.fixture(scope="module")
def chromium():
    missing = reason("chromium")
    if missing:
        pytest.skip(missing)
    with launched("chromium") as new_page:
        yield new_page


@pytest.fixture(scope="module", params=BROWSERS)
def any_browser(request):
    """Each of the browsers that are installed."""
    missing = reason(request.param)
    if missing:
        pytest.skip(missing)
    if request.param == "chromium":
        yield request.getfixturevalue("chromium")
        return
    with launched(request.param) as new_page:
        yield new_page


PAGES = []


@pytest.fixture(autouse=True)
def closed_pages():
    """Closes the pages of a test."""
    yield
    while PAGES:
        PAGES.pop().close()


def opened(new_page, address, size=DESKTOP, query="", prepare=None, context=None, **settings):
    """The page, ready to play, with these settings and an empty storage."""
    page = new_page(size, prepare, **(context or {}))
    PAGES.append(page)
    page.goto(f"{address}icon.svg")  # of the same origin, whose storage it shares
    stored = json.dumps(json.dumps(SETTINGS | settings))
    page.evaluate(f"(localStorage.clear(), localStorage.setItem('ur-settings', {stored}))")
    page.goto(address + query)
    page.wait(READY)
    return page


def status(page):
    return page.text("#status")


def record_of(page):
    """The kept game: the reader plays it by the engine's rules."""
    return parse(page.kept()["text"])


# --- in every browser ------------------------------------------------------------------------------------------------


def test_a_game_its_review_and_a_reload(any_browser, address):
    page = opened(any_browser, address, query=f"#{NEAR_THE_END}")
    page.evaluate("(location.hash = '')")
    assert not page.play(until="document.querySelectorAll('#log li').length >= 4 && movable.length > 1")
    before = record_of(page).turns, status(page), page.count(".movable")
    page.reload()
    page.wait(READY)
    page.wait("document.querySelector('.movable')")
    assert (record_of(page).turns, status(page), page.count(".movable")) == before

    assert page.play()
    record = record_of(page)
    assert record.winner is not None
    names = [page.text("#name-0"), page.text("#name-1")]
    assert status(page) == f"{names[record.winner]} wins in {len(record.turns)} turns."
    check_review(page, judged(record))


def test_a_whole_game_against_the_search(chromium, address):
    page = opened(chromium, address, help="none")
    assert page.play()
    record = record_of(page)
    name = ("You win", "Search 1 wins")[record.winner]
    assert (record.players, status(page)) == (("you", "emm:1"), f"{name} in {len(record.turns)} turns.")


def judged(record, judge="ur-3k"):
    """The review of a game by the page's file of a network."""
    return review(record, Network.load(ROOT / "weights" / "quantized" / f"{judge}.json"), judge)


def check_review(page, expected):
    """The summary, the marks and the walk through a finished game are those of `analyze`."""
    page.wait(JUDGED)
    page.wait(f"document.querySelectorAll('.log-verdict:not(:empty)').length === {len(expected.decisions)}")
    cells = page.evaluate(
        """[...document.querySelectorAll('.totals tbody tr')]
            .map((row) => [...row.cells].map((cell) => cell.textContent))"""
    )
    for player in (0, 1):
        totals = expected._player(player)
        decisions, best, given, luck, marks = (row[player + 1].replace("−", "-") for row in cells)  # noqa: RUF001
        assert int(decisions) == totals["decisions"]
        assert float(best.split()[0]) == pytest.approx(100 * totals["best_share"], abs=0.06)
        assert float(given) == pytest.approx(totals["given_away"], abs=0.06)
        assert float(luck) == pytest.approx(totals["luck"], abs=0.06)
        assert [int(count) for count in marks.split(" · ")] == list(totals["marks"].values())[::-1]
    mistakes = [decision.step.number for decision in expected.mistakes()]
    assert page.count(".log-verdict.marked") == len(mistakes) == page.count("#chart .mistake")
    if mistakes:
        page.click("#go-mistake")
        assert status(page).startswith(f"Turn {mistakes[0]}: ")
        assert "Best was" in status(page)
        assert page.count(".arrow.best") == page.count(".arrow.played") == 1
    page.evaluate("(document.getElementById('log').focus(), true)")
    page.press("Home")
    assert status(page).startswith("Turn 1: ")
    page.press("Escape")
    page.press("ArrowLeft")
    assert status(page).startswith(f"Turn {len(expected.record.turns)}: ")


def test_records_of_other_programs_are_opened_and_wrong_files_refused(any_browser, address, models):
    page = opened(any_browser, address)
    for name, expected in json.loads((RECORDS / "expected.json").read_text()).items():
        page.upload("#file", RECORDS / name)
        if "refused" in expected:
            refusal = json.dumps(f"{name}: {expected['refused']}")
            page.wait(f"document.getElementById('notice-text').textContent === {refusal}")
            continue
        page.wait(f"document.querySelectorAll('#log li').length === {len(expected['turns'])}")
        found = [[turn.player, turn.roll, turn.move] for turn in record_of(page).turns]
        assert found == expected["turns"], name
        assert not page.shown("#notice")
    kept = page.kept()
    for name, why in (
        ("text.json", "not a record in a known format"),
        ("illegal.jsonl", "line 2: moving from 3"),
        ("short.json", "numbers"),
    ):
        page.upload("#file", models / name)
        page.wait(f"document.getElementById('notice-text').textContent.startsWith('{name}')")
        assert why in page.text("#notice-text")
        assert page.kept() == kept
    page.upload("#file", models / "good.json")
    page.wait("document.getElementById('name-1').textContent === 'good.json'")
    assert not page.shown("#notice")


def test_labels_of_selects_are_not_cut(any_browser, address):
    page = opened(any_browser, address)
    cut = page.evaluate(
        """[...document.querySelectorAll("select")].filter((field) => field.checkVisibility())
            .filter((field) => field.clientHeight < 1.25 * parseFloat(getComputedStyle(field).fontSize))
            .map((field) => field.id)"""
    )
    assert cut == []


# --- in Chromium: what the page says and does ------------------------------------------------------------------------


def to_a_choice(page):
    assert not page.play(until="movable.length > 1")


def test_the_values_shown_are_the_engines(chromium, address):
    page = opened(chromium, address, judge="standard")
    to_a_choice(page)
    page.wait("document.querySelector('.move-value')")
    record, roll = record_of(page), page.kept()["roll"]
    expected = Network.load(ROOT / "weights" / "quantized" / "standard.json").moves(record.position, roll)
    best = max(value for _, value in expected)
    rows = page.evaluate(
        """[...document.querySelectorAll('.move')]
            .map((row) => [...row.children].slice(0, 2).map((part) => part.textContent))"""
    )
    shown = {0 if route.startswith("hand") else int(route.split()[0]): value for route, value in rows}
    assert shown == {square: f"{'★ ' * (value == best)}{100 * value:.1f} %" for square, value in expected}
    assert page.text(".badge.best") == f"{100 * best:.1f}"
    assert page.text("#odds-0") == f"{100 * best:.1f} %"


def test_help_in_steps(chromium, address):
    page = opened(chromium, address)
    to_a_choice(page)
    page.wait("document.querySelector('.arrow.best')")
    page.choose("#help-mode", "verdicts")
    assert (page.count(".arrow"), page.count(".move-value")) == (0, 0)
    assert page.text("#odds-0")
    page.choose("#help-mode", "none")
    assert (page.text("#odds-0"), page.count(".log-verdict:not(:empty)")) == ("", 0)
    assert not page.shown("#chart-card")
    assert page.count(".movable") > 1


def test_undo_gives_the_same_roll_again(chromium, address):
    page = opened(chromium, address)
    to_a_choice(page)
    before, roll = record_of(page).turns, page.kept()["roll"]
    page.page.locator(".movable").last.click()
    page.wait(f"document.querySelectorAll('#log li').length > {len(before)}")
    page.wait(READY)
    after = record_of(page).turns
    page.click("#undo")
    page.wait("document.querySelectorAll('.movable').length > 1")
    assert (record_of(page).turns, page.kept()["roll"]) == (before, roll)
    page.page.locator(".movable").last.click()
    page.wait(f"document.querySelectorAll('#log li').length >= {len(after)} && ({READY})")
    assert record_of(page).turns[: len(after)] == after  # the dice of the later turns are the same too


def test_the_dice_show_their_tips(chromium, address):
    page = opened(chromium, address, seats=HUMANS)
    page.play(until="document.querySelector('.die.marked') && document.querySelector('.die:not(.marked)')")
    assert page.text(".total") == str(page.count(".die.marked"))
    for kind, white in ((".marked", True), (":not(.marked)", False)):
        picture = Image.open(io.BytesIO(page.page.locator(f".die{kind}").first.screenshot()))
        assert ((255, 255, 255) in {colour for _, colour in picture.convert("RGB").getcolors(9999)}) == white


def test_the_rules_are_said_until_the_first_turn(chromium, address):
    page = opened(chromium, address, rules="masters")
    assert page.shown("#rules-card")
    assert "no marked tip counts 4" in page.text("#rules-words")
    page.play(until="document.querySelectorAll('#log li').length > 0")
    assert not page.shown("#rules-card")


def test_two_people_and_a_game_by_keys(chromium, address):
    page = opened(chromium, address, size=PHONE, seats=["human", "human"], help="none")
    for _ in range(30):
        page.wait(READY)
        if page.count(".movable") > 1:
            page.press("ArrowRight")
        page.press("Enter")
    record = record_of(page)
    assert record.players == ("blue", "orange")
    assert {turn.player for turn in record.turns} == {0, 1}
    assert re.match(r"(Blue|Orange) ", status(page))


def test_two_agents_wait_and_can_be_looked_at(chromium, address):
    page = opened(chromium, address, seats=["emm:1", "net:ur-3k"], speed="0")
    assert status(page) == "Two agents are ready."
    page.click("#action")
    page.wait("document.getElementById('action').textContent === 'Play again'")
    page.click("#go-first")
    page.click("#undo")  # "Play on here"
    page.wait("document.getElementById('action').textContent === 'Start'")
    assert record_of(page).turns == []


def test_a_game_of_every_rule_set(chromium, address):
    page = opened(chromium, address, seats=["human", "level:2"])
    page.play(until="document.querySelectorAll('#log li').length > 2 && movable.length")
    for name in RULE_SETS:
        page.click("#new-open")
        page.choose("#rules", name)
        page.choose("#player-1", "level:3")
        page.click("#new-dialog [value=start]")
        page.wait(f"document.getElementById('name-1').textContent === '{levels(name)[2].name}'")
        assert not page.play(until="document.querySelectorAll('#log li').length > 12 && movable.length > 1")
        page.wait("document.querySelector('.arrow.best')")
        assert record_of(page).start.rules == name
        assert page.count(".square") == len({tile for path in rules(name).paths for tile in path})
    assert not page.shown("#notice")


@pytest.mark.parametrize("name", RULE_SETS)
def test_the_review_of_every_rule_set(chromium, address, name):
    """By the network that the page chooses for the rule set."""
    sides = (
        "".join(".x"[square in pieces] for square in range(1, rules(name).squares + 1)) + f":{rules(name).pieces - 2}"
        for pieces in ((9, 13), (10, 11))
    )
    link = urlencode({"position": "|".join(sides), "rules": name})
    page = opened(chromium, address, query=f"#{link}", judge="")
    assert page.play()
    check_review(page, judged(record_of(page), page.evaluate("document.getElementById('judge').value")))


def test_a_new_game_asks_and_the_earlier_one_is_kept(chromium, address):
    page = opened(chromium, address)
    page.play(until="document.querySelectorAll('#log li').length > 4 && movable.length")
    before = record_of(page).turns
    page.click("#new-open")
    assert page.shown("#new-warning")
    page.choose("#player-1", "net:ur-9k")
    page.click("#new-dialog [value=start]")
    page.wait("document.getElementById('name-1').textContent === 'ur-9k'")
    assert record_of(page).turns == []
    page.click("#menu-open")
    page.click("#before-open")
    page.wait("document.getElementById('name-1').textContent === 'Search 1'")
    assert record_of(page).turns == before


def test_links_and_positions(chromium, address):
    context = {"permissions": ["clipboard-read", "clipboard-write"]}
    page = opened(chromium, address, context=context)
    page.play(until="document.querySelectorAll('#log li').length > 8 && movable.length > 1")
    record, roll = record_of(page), page.kept()["roll"]
    links = {}
    for kind in ("game", "position", "notation"):
        page.evaluate("document.getElementById('save-open').click()")
        page.click(f"[data-copy={kind}]")
        page.wait("document.getElementById('save-done').textContent === 'Copied.'")
        links[kind] = page.evaluate("navigator.clipboard.readText()")
        page.click("#save-dialog [value=close]")
    other = opened(chromium, address, query=links["game"].removeprefix(address))
    other.wait(f"document.querySelectorAll('#log li').length === {len(record.turns)}")
    assert record_of(other).turns == record.turns
    other.goto("about:blank")
    other.goto(links["position"])
    other.wait(READY)
    assert (record_of(other).start, other.kept()["roll"]) == (record.position, roll)
    for text, start in ((links["notation"], record.position), ("1. A@A1 *", Position.initial())):
        other.evaluate("document.getElementById('open-open').click()")
        other.page.fill("#pasted", text)
        other.click("#open-pasted")
        other.wait("!document.getElementById('open-dialog').open")
        other.wait(f"JSON.parse(localStorage.getItem('ur-game')).text.includes('{start}')")


def test_a_position_is_set_up(chromium, address):
    page = opened(chromium, address)
    page.evaluate("document.getElementById('edit-open').click()")
    squares = page.page.locator("[aria-label^='Your square 4']")
    squares.click()
    page.page.locator("[aria-label^='Search 1’s pieces off']").click()  # noqa: RUF001
    notation = "...x..........:0|..............:1"
    assert page.page.input_value("#notation") == notation
    page.page.fill("#notation", "....x.........:0|....x.........:0")
    page.click("#editor [type=submit]")
    page.wait("document.querySelector('#notation').validationMessage.includes('not a position')")
    page.page.fill("#notation", notation)
    page.click("#editor [type=submit]")
    page.wait("document.getElementById('editor').hidden")
    assert str(record_of(page).start) == notation


def test_saved_records_are_opened_again(chromium, address, tmp_path):
    page = opened(chromium, address, query=f"#{NEAR_THE_END}")
    assert page.play()
    record = record_of(page)
    for kind in ("own", "royalur", "rgn"):
        page.evaluate("document.getElementById('save-open').click()")
        with page.page.expect_download() as download:
            page.click(f"[data-save={kind}]")
        page.click("#save-dialog [value=close]")
        download.value.save_as(tmp_path / download.value.suggested_filename)
        other = opened(chromium, address)
        other.upload("#file", tmp_path / download.value.suggested_filename)
        other.wait(f"document.querySelectorAll('#log li').length === {len(record.turns)}")
        assert (record_of(other).start, record_of(other).turns) == (record.start, record.turns)


@pytest.mark.parametrize(("name", "why"), [("other.json", "feature set"), ("cut.json.gz", "damaged gzip")])
def test_a_refused_network_says_why_and_the_game_goes_on(chromium, address, models, name, why):
    page = opened(chromium, address)
    to_a_choice(page)
    before = record_of(page).turns
    page.upload("#file", models / name)
    page.wait("!document.getElementById('notice').hidden")
    assert re.match(rf"{re.escape(name)}: .*{why}", page.text("#notice-text"))
    assert record_of(page).turns == before
    page.upload("#file", models / "policy.json")  # a game is under way, so the page asks
    page.wait("document.getElementById('new-dialog').open")
    page.click("#new-dialog [value=start]")
    page.wait("document.getElementById('name-1').textContent === 'policy.json'")
    page.choose("#judge", "policy.json")
    page.wait("!document.getElementById('notice').hidden")
    assert "policy.json has a policy alone" in page.text("#notice-text")


def test_every_network_is_loaded_small(chromium, address):
    asked = []
    models = json.loads((ROOT / "weights" / "manifest.json").read_text())["models"]
    for rule_set in RULE_SETS:
        page = opened(
            chromium,
            address,
            rules=rule_set,
            prepare=lambda page: page.on("request", lambda each: asked.append(each.url)),
        )
        for name in [model["name"] for model in models if model.get("rules", "finkel") == rule_set]:
            page.choose("#judge", name)
            page.wait(f"document.getElementById('about-judge').textContent.includes('{name}')")
        assert not page.shown("#notice")
    networks = [url for url in asked if "/weights/" in url and "manifest" not in url]
    assert networks
    assert all(re.search(r"/weights/quantized/[\w-]+\.json\.gz$", url) for url in networks)
    assert all(url.startswith(address) for url in asked)


@pytest.mark.parametrize(
    ("query", "name"), [("good.json", "good.json"), ("100%25%20a%23b%3F", "100% a#b?"), ("ur-3k", "ur-3k (file)")]
)
def test_the_model_of_the_command_is_played(chromium, address, query, name):
    page = opened(chromium, address, query=f"?model={query}")
    assert [page.text("#name-0"), page.text("#name-1")] == ["You", name]


def test_what_is_missing_is_said(chromium, address):
    def without(pattern):
        return lambda page: page.route(pattern, lambda route: route.fulfill(status=404, body=""))

    page = opened(chromium, address, prepare=without("**/weights/**"))
    assert page.text("#notice-text") == "the list of networks: the server answers 404"
    assert page.text("#name-1") == "Search 1"
    page = chromium(DESKTOP, without("**/ur.wasm"))
    page.goto(address)
    page.wait("!document.getElementById('notice').hidden")
    assert "ur.wasm, the engine: the server answers 404" in page.text("#notice-text")
    assert status(page) == "The game cannot start."


# --- in Chromium: how it looks ---------------------------------------------------------------------------------------

SCREENS = [(320, 568), (390, 664), PHONE, (844, 390), (768, 1024), (1280, 800), (2560, 1440)]


@pytest.mark.parametrize("size", SCREENS)
def test_the_game_fits_the_screen(chromium, address, size):
    page = opened(chromium, address, size=size)
    to_a_choice(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    boxes = page.evaluate(
        """["odds-bar", "table", "action", "status", "moves-card", "log-card"].map((id) => {
            const { left, right, top, bottom } = document.getElementById(id).getBoundingClientRect();
            return { left, right, top, bottom };
        })"""
    )
    for box in boxes[:4]:
        assert box["left"] >= 0
        assert box["right"] <= size[0] + 0.5
        assert box["bottom"] <= size[1] + 0.5
    assert page.evaluate("document.querySelector('.square').getBoundingClientRect().width") >= (
        50 if size[0] > 350 else 44
    )
    assert boxes[4]["top"] <= boxes[5]["top"]  # the moves come before the turns


@pytest.mark.parametrize(("scheme", "options"), [("light", None), ("dark", {"runOnly": ["color-contrast"]})])
def test_axe_finds_nothing(chromium, address, scheme, options):
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="no axe: pip install axe-playwright-python"
    )
    page = opened(
        chromium, address, query=f"#{NEAR_THE_END}", context={"color_scheme": scheme, "bypass_csp": True}, seats=HUMANS
    )
    found = []

    def look(where):
        violations = axe.Axe().run(page.page, context=where, options=options).response["violations"]
        found.extend((where, each["id"], each["nodes"][0]["html"]) for each in violations)

    to_a_choice(page)
    page.wait("document.querySelector('.arrow.best')")
    look("body")
    page.play()
    page.wait(JUDGED)
    page.click("#go-first")
    look("body")
    for dialog in ("new-dialog", "open-dialog", "save-dialog", "settings-dialog", "help"):
        page.evaluate(f"document.getElementById('{dialog}').showModal()")
        look(f"#{dialog}")
        page.evaluate(f"document.getElementById('{dialog}').close()")
    assert found == []


def luminance(colour):
    shares = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
    linear = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
    return sum(weight * share for weight, share in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_marks_and_controls_stand_out(chromium, address, scheme):
    page = opened(chromium, address, context={"color_scheme": scheme})
    page.play(until="document.querySelector('.square.last-to')")
    pairs = page.evaluate(
        """(() => {
            const style = (selector, pseudo) => getComputedStyle(document.querySelector(selector), pseudo);
            document.querySelector(".pile").classList.add("last-from");
            const paper = style("html").backgroundColor, card = style(".card").backgroundColor;
            return [
                [style(".square.last-to", "::before").borderTopColor, style(".square").backgroundColor],
                [style(".pile.last-from", "::before").borderTopColor, paper],
                ...["select", "#undo", ".pile"].flatMap((each) =>
                    [paper, card].map((behind) => [style(each).borderTopColor, behind])),
            ];
        })()"""
    )
    for one, other in pairs:
        low, high = sorted((luminance(one), luminance(other)))
        assert (high + 0.05) / (low + 0.05) >= 3
