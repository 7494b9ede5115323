"""The page in a real browser: Chromium, driven by Playwright. What it shows is compared with the engine here."""

import gzip
import json
import re
from pathlib import Path

import pytest

from engine import Network, Position
from mlx_train.playing.records.formats import read_record
from mlx_train.playing.server import Server, locate
from mlx_train.tools.browser import chromium, missing

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "support" / "golden_network.json"
PHONE, DESKTOP = {"width": 390, "height": 844}, {"width": 1360, "height": 900}

if not (ROOT / "web" / "ur.wasm").exists():
    pytest.skip("web/ur.wasm is not built: make wasm", allow_module_level=True)
if missing():
    pytest.skip(missing(), allow_module_level=True)


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Weights files to play against, and some to refuse, by name."""
    folder = tmp_path_factory.mktemp("models")
    golden = json.loads(GOLDEN.read_text())
    short = golden | {"value_weights": golden["value_weights"][:-1]}
    huge = golden | {"value_weights": [1e300, *golden["value_weights"][1:]]}
    policy = {key: value for key, value in golden.items() if key != "value_weights"}
    contents = {
        "good.json": json.dumps(golden).encode(),
        "good.json.gz": gzip.compress(json.dumps(golden).encode()),
        "policy.json": json.dumps(policy).encode(),
        "again/good.json": json.dumps(policy).encode(),
        "short.json": json.dumps(short).encode(),
        "huge.json": json.dumps(huge).encode(),
        "other.json": json.dumps(golden | {"feature_set": "ur-151"}).encode(),
        "text.json": b"no network at all",
        "cut.json.gz": gzip.compress(json.dumps(golden).encode())[:-500],
    }
    (folder / "again").mkdir()
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture(scope="module")
def address(models):
    """Where the page is; with good.json at /model."""
    server = Server(locate(models / "good.json"), 0)
    with server.background() as address:
        yield address.partition("?")[0]


@pytest.fixture
def visit(browser, address):
    """Opens the page, ready to play: visit(size, query, **settings). Afterwards nothing may have gone wrong in it."""
    contexts, troubles = [], []

    def open_page(size=DESKTOP, query="", prepare=lambda page: None, **settings):
        context = browser.new_context(viewport=size, reduced_motion="reduce", accept_downloads=True)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: troubles.append(message.text))
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("request", lambda request: request.url.startswith(("blob:", address)) or troubles.append(request.url))
        stored = {"players": ["human", "emm:1"], "judge": "ur-3k", "speed": "0", "hints": True} | settings
        page.add_init_script(
            f"localStorage.getItem('ur-settings') ?? localStorage.setItem('ur-settings', '{json.dumps(stored)}')"
        )
        prepare(page)
        page.goto(address + query)
        wait(page, "!document.getElementById('action').disabled")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert troubles == []


def wait(page, condition):
    """Waits until a JavaScript expression is true, and returns it. (Playwright's own way needs `eval`, which the page
    forbids.)"""
    return page.evaluate(
        f"""new Promise((resolve, reject) => {{
            const end = performance.now() + 30000;
            const look = () => {{
                const found = {condition};
                if (found) resolve(found);
                else if (performance.now() > end) reject(new Error({json.dumps(f"never: {condition}")}));
                else setTimeout(look, 4);
            }};
            look();
        }})"""
    )


WORKER = (ROOT / "web" / "worker.js").read_text()


def replace_worker(page, script):
    headers = {"Cross-Origin-Embedder-Policy": "require-corp"}
    page.route(
        "**/worker.js", lambda route: route.fulfill(body=script, content_type="text/javascript", headers=headers)
    )


OVER = "document.getElementById('action').textContent === 'New game'"

# What can be done next: how many pieces can be moved, or the words on the button.
READY = """(document.querySelectorAll('.movable').length
    || !document.getElementById('action').disabled && document.getElementById('action').textContent)"""


def record_of(page):
    """The game's record, as it is downloaded: the reader plays it by the engine's rules."""
    with page.expect_download() as download:
        page.click("#download")
    assert download.value.suggested_filename.endswith(".jsonl")
    return read_record(Path(download.value.path()))


def roll_of(page):
    return int(page.get_attribute("#dice", "aria-label").removeprefix("Rolled "))


def to_a_choice(page, least=2):
    """Plays until there are so many moves to choose from."""
    for _ in range(400):
        next_step = wait(page, READY)
        if next_step == "Roll the dice":
            page.click("#action")
        elif next_step >= least:
            return
        else:
            page.locator(".movable").first.click()
    raise AssertionError("no choice came up")


def click(page, selector):
    """A click of the mouse in the middle of an element that is on the screen: quicker than Playwright's own, with its
    waits."""
    x, y = page.evaluate(
        f"""(({{ x, y, width, height }}) => [x + width / 2, y + height / 2])(
            document.querySelector("{selector}").getBoundingClientRect())"""
    )
    page.mouse.click(x, y)


def test_a_whole_game_by_clicks(visit):
    page = visit()
    clicks = {"piece": 0, "target": 0, "list": 0}
    for turn in range(1000):
        next_step = wait(page, READY)
        if next_step == "New game":
            break
        if next_step == "Roll the dice":
            click(page, "#action")
            continue
        kind = list(clicks)[turn % 3]
        where = {"piece": ".movable", "target": ".target:not(.movable)", "list": ".move"}[kind]
        click(page, where)
        clicks[kind] += 1
    assert min(clicks.values()) > 5
    record, winner = record_of(page), record_of(page).winner
    assert (record.players, record.seed, record.start) == (("you", "emm:1"), None, Position.initial())
    assert winner is not None
    said = page.inner_text("#status")
    assert said == f"{('You win', 'Orange wins')[winner]} in {len(record.turns)} turns."
    assert page.get_attribute("#odds-bar", "aria-valuenow") == ("0.0" if winner else "100.0")
    page.click("#action")  # the button still says New game, and can be pressed, until the new game begins
    wait(page, "document.getElementById('log').children.length === 0")
    wait(page, READY)
    assert page.locator("#log li").count() == 0


def test_a_whole_game_by_keys(visit):
    page = visit(PHONE, players=["net:ur-3k", "human"])
    walked = set()
    for turn in range(1000):
        next_step = wait(page, READY)
        if next_step == "New game":
            break
        if next_step not in ("Roll the dice", 1):
            first = page.evaluate("document.activeElement.ariaLabel")
            page.keyboard.press(("ArrowRight", "End", "ArrowUp", "Home")[turn % 4])
            walked.add(first != page.evaluate("document.activeElement.ariaLabel"))
            now = page.evaluate("document.activeElement.ariaLabel")
            for modifier in ("Shift", "Control", "Alt", "Meta"):  # the browser's own keys stay its own
                page.keyboard.press(f"{modifier}+End")
                assert page.evaluate("document.activeElement.ariaLabel") == now
        page.keyboard.press("Enter")
    assert walked == {True, False}
    record = record_of(page)
    assert record.players == ("net:weights/ur-3k.json", "you")
    assert record.winner is not None


FOCUSED = "document.activeElement.id"


def test_the_focus_goes_on_from_the_list(visit):
    page = visit()
    rosette = page.locator(".move:enabled", has_text="rolls again")
    to_a_choice(page, 1)
    while not rosette.count():
        page.locator(".movable").first.click()
        to_a_choice(page, 1)
    rosette.first.focus()
    page.keyboard.press("Enter")
    wait(page, f"{FOCUSED} === 'action'")


def test_the_focus_stays_where_a_person_put_it(visit):
    page = visit()
    for _ in range(3):
        to_a_choice(page)
        page.locator(".movable").first.click()
    to_a_choice(page)
    page.focus("#undo")
    for _ in range(2):
        turns = page.locator("#log li").count()
        page.keyboard.press("Enter")
        wait(page, f"document.querySelectorAll('#log li').length < {turns} && {READY}")
        assert page.evaluate(FOCUSED) == "undo"
    turns = page.locator("#log li").count()
    page.select_option("#speed", "180")
    page.focus("#hints")
    page.locator(".movable").first.dispatch_event("click")
    wait(page, f"document.querySelectorAll('#log li').length > {turns} && {READY} === 'Roll the dice'")
    assert page.evaluate(FOCUSED) == "hints"


def test_two_agents_play_while_watched(visit):
    page = visit(players=["emm:3", "net:ur-3k"], speed="180")
    assert page.inner_text("#status") == "Two agents are ready."
    page.click("#action")
    wait(page, "document.querySelectorAll('#log li').length >= 4")
    page.click("#action")
    wait(page, "document.getElementById('action').textContent === 'Start'")
    page.select_option("#speed", "0")
    lengths = []
    for _ in range(3):
        page.click("#undo")
        page.wait_for_timeout(200)  # in which the agents would have played on
        lengths.append(page.locator("#log li").count())
        assert f"rolled {roll_of(page)}:" in page.inner_text("#status")
        assert page.inner_text("#action") == "Start"
    assert lengths == [lengths[0], lengths[0] - 1, lengths[0] - 2]
    page.click("#action")
    wait(page, OVER)
    winner = record_of(page).winner
    assert page.inner_text("#status").startswith(("Blue wins", "Orange wins")[winner])


@pytest.mark.parametrize("name", ["ur-3k", "standard"])
def test_the_values_shown_are_the_engines(visit, name):
    page = visit(judge=name)
    to_a_choice(page)
    record = record_of(page)
    assert record.mover == 0
    expected = Network.load(ROOT / "weights" / f"{name}.json").moves(record.position, roll_of(page))
    best = max(value for _, value in expected)
    shown = {}
    for row in page.locator(".move").all():
        source = row.locator(".move-text").inner_text().split(" ")[0]
        shown[0 if source == "hand" else int(source)] = row.locator(".move-value").inner_text()
    marks = {square: "★ " if value == best else "" for square, value in expected}
    assert shown == {square: f"{marks[square]}{100 * value:.1f} %" for square, value in expected}
    assert page.inner_text("#odds-0") == f"{100 * best:.1f} %"
    badges = sorted(badge for badge in page.locator(".badge").all_inner_texts() if badge)
    assert badges == sorted(f"{100 * value:.1f}" for _, value in expected)
    page.uncheck("#hints")
    assert page.locator(".move-value").count() == 0
    assert page.locator(".move").count() == len(expected)


def test_every_shipped_network_plays_and_judges(visit):
    page = visit()
    names = [model["name"] for model in json.loads((ROOT / "weights" / "manifest.json").read_text())["models"]]
    listed = page.locator("#player-0 optgroup[label='Shipped networks'] option")
    assert [option.get_attribute("value") for option in listed.all()] == [f"net:{name}" for name in names]
    for name in names:
        page.select_option("#judge", name)
        page.select_option("#player-0", f"net:{name}")
        page.select_option("#player-1", "human")
        page.click("#new-game")
        wait(page, f"document.getElementById('name-0').textContent === '{name}'")
        wait(page, f"document.querySelectorAll('#log .side-0').length && {READY}")
        wait(page, f"document.getElementById('odds-judge').textContent === 'Odds by {name}'")
        assert page.is_hidden("#notice")
        assert record_of(page).players == (f"net:weights/{name}.json", "you")


def test_undo_gives_the_same_roll_again(visit):
    page = visit()
    to_a_choice(page)
    before, roll, odds = record_of(page).turns, roll_of(page), page.inner_text("#odds-0")
    page.locator(".movable").last.click()
    wait(page, READY)
    assert len(record_of(page).turns) > len(before)
    after = record_of(page).turns
    page.click("#undo")
    wait(page, "document.querySelectorAll('.movable').length > 1")
    assert (record_of(page).turns, roll_of(page), page.inner_text("#odds-0")) == (before, roll, odds)
    page.locator(".movable").last.click()
    wait(page, READY)
    assert record_of(page).turns == after  # the dice of the later turns are the same too


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("short.json", r"value_weights has \d+ numbers, its network_config needs \d+"),
        ("huge.json", r"value_weights holds a number that is not finite in float32"),
        ("other.json", r"feature set"),
        ("text.json", r"not JSON"),
        ("cut.json.gz", r"damaged gzip"),
    ],
)
def test_a_refused_file_says_why_and_the_game_goes_on(visit, models, name, why):
    page = visit()
    to_a_choice(page)
    before = record_of(page).turns
    page.set_input_files("#file", models / name)
    page.wait_for_selector("#notice:not([hidden])")
    said = page.inner_text("#notice-text")
    assert page.get_attribute("#notice", "role") == "alert"
    assert said.startswith(f"{name}: ")
    assert re.search(why, said)
    assert "\n" not in said
    assert record_of(page).turns == before
    assert page.input_value("#player-1") == "emm:1"
    page.set_input_files("#file", models / "good.json.gz")
    page.wait_for_selector("#notice", state="hidden")
    assert page.input_value("#player-1") == "net:good.json.gz"
    assert page.is_visible("#players-note")
    assert record_of(page).turns == before
    assert page.inner_text("#name-1") == "emm:1"
    page.click("#new-game")
    wait(page, "document.getElementById('name-1').textContent === 'good.json.gz'")
    assert page.is_hidden("#players-note")


def test_a_policy_alone_plays_but_values_nothing(visit, models):
    page = visit()
    page.set_input_files("#file", models / "policy.json")
    wait(page, "document.getElementById('name-1').textContent === 'policy.json'")
    to_a_choice(page)
    page.locator(".movable").first.click()
    wait(page, READY)
    page.select_option("#judge", "policy.json")
    page.wait_for_selector("#notice:not([hidden])")
    assert "policy.json has a policy alone" in page.inner_text("#notice-text")
    assert page.input_value("#judge") == "ur-3k"


def test_a_file_takes_the_place_of_the_judge(visit, models):
    page = visit()
    page.set_input_files("#file", models / "good.json")
    wait(page, "document.getElementById('name-1').textContent === 'good.json'")
    page.select_option("#judge", "good.json")
    to_a_choice(page)
    turns = record_of(page).turns
    page.set_input_files("#file", models / "again" / "good.json")
    page.wait_for_selector("#notice:not([hidden])")
    assert "good.json has a policy alone" in page.inner_text("#notice-text")
    wait(page, "document.getElementById('odds-0').textContent === '–'")  # noqa: RUF001
    assert (page.input_value("#judge"), page.locator(".move-value").count()) == ("", 0)
    assert record_of(page).turns == turns
    page.locator(".movable").first.click()
    to_a_choice(page)
    page.set_input_files("#file", models / "good.json")
    page.wait_for_selector("#notice", state="hidden")
    page.select_option("#judge", "good.json")
    wait(page, "document.querySelector('.move-value')")


def test_a_judge_that_fails_does_not_stop_the_game(visit):
    def without_values(page):
        replace_worker(page, WORKER + "methods.judge = () => { throw new Error('a fault'); };")

    page = visit(prepare=without_values)
    assert page.inner_text("#notice-text") == "ur-3k gives no odds: a fault"
    assert page.input_value("#judge") == ""
    to_a_choice(page)


def test_a_roll_that_comes_after_its_game_is_forgotten(visit):
    late = """
        const { options } = methods;
        methods.options = async (...asked) => {
            await new Promise((resolve) => setTimeout(resolve, 500));
            return options(...asked);
        };
        const { fetchNetwork } = methods;
        methods.fetchNetwork = async (ur, name, addresses) => {
            if (name === "standard") await new Promise((resolve) => setTimeout(resolve, 1500));
            return fetchNetwork(ur, name, addresses);
        };"""
    page = visit(prepare=lambda page: replace_worker(page, WORKER + late), players=["emm:1", "emm:1"])
    page.click("#action")
    page.wait_for_timeout(100)
    page.select_option("#player-1", "net:standard")
    page.click("#new-game")
    wait(page, "document.getElementById('name-1').textContent === 'standard'")
    assert page.is_hidden("#notice")


def test_the_networks_of_the_next_game_are_waited_for(visit):
    held, freed = [], []

    def hold(route):
        if freed:
            route.continue_()
        else:
            held.append(route)

    page = visit(prepare=lambda page: page.route("**/standard.json.gz", hold))
    to_a_choice(page)
    page.select_option("#player-1", "net:standard")
    page.click("#new-game")
    wait(page, "document.getElementById('status').textContent === 'Loading standard…'")
    assert page.locator(".movable, .move, #action:enabled, #undo:enabled, #download:enabled").count() == 0
    page.locator(".square").first.dispatch_event("click")
    page.select_option("#player-0", "net:ur-9k")
    freed.append(True)
    for route in held:
        route.continue_()
    wait(page, "document.getElementById('name-0').textContent === 'ur-9k'")
    assert page.inner_text("#name-1") == "standard"
    wait(page, READY)
    page.click("#action")
    wait(page, "document.querySelectorAll('#log li').length > 2")
    assert page.is_hidden("#notice")


@pytest.mark.parametrize(
    ("query", "players", "name"),
    [
        ("good.json", ["human", "emm:1"], "good.json"),
        ("100%25%20a%23b%3F", ["emm:3", "net:ur-3k"], "100% a#b?"),
        ("ur-3k", ["emm:3", "human"], "ur-3k (file)"),
    ],
)
def test_the_model_of_the_command_is_played(visit, query, players, name):
    page = visit(query=f"?model={query}", players=players)
    names = [page.inner_text("#name-0"), page.inner_text("#name-1")]
    assert names == ([name, "You"] if players[1] == "human" else ["You", name])
    to_a_choice(page)
    page.locator(".movable").first.click()
    wait(page, READY)
    assert page.is_hidden("#notice")


def test_a_model_that_is_not_there_is_refused(browser, address):
    context = browser.new_context()
    page = context.new_page()
    page.route("**/model", lambda route: route.fulfill(status=404, body=""))
    page.goto(f"{address}?model=none.json")
    page.wait_for_selector("#notice:not([hidden])")
    assert page.inner_text("#notice-text") == "none.json: the server answers 404"
    wait(page, "!document.getElementById('action').disabled")
    assert page.locator("option[value='net:none.json']").count() == 0
    context.close()


def test_plain_weights_where_the_browser_inflates_nothing(visit, address):
    asked = []

    def old_browser(page):
        replace_worker(page, "delete globalThis.DecompressionStream;\n" + WORKER)
        page.context.on("request", lambda request: asked.append(request.url))

    page = visit(prepare=old_browser)
    assert page.input_value("#judge") == "ur-3k"
    assert f"{address}weights/ur-3k.json" in asked
    assert not any(url.endswith(".gz") for url in asked)


def test_the_engine_is_fetched_once(visit, address):
    asked = []
    visit(prepare=lambda page: page.context.on("request", lambda request: asked.append(request.url)))
    assert asked.count(f"{address}ur.js") == asked.count(f"{address}ur.wasm") == 1


def test_the_search_plays_where_there_are_no_networks(browser, address):
    context = browser.new_context()
    page = context.new_page()
    page.route("**/weights/**", lambda route: route.fulfill(status=404, body=""))
    page.goto(address)
    wait(page, READY)
    assert page.inner_text("#notice-text") == "the list of networks: the server answers 404"
    assert (page.input_value("#player-1"), page.inner_text("#odds-0")) == ("emm:3", "–")  # noqa: RUF001
    page.select_option("#speed", "0")
    to_a_choice(page)
    context.close()


def test_an_engine_that_does_not_load_says_so(browser, address):
    context = browser.new_context()
    for file, why in (("ur.wasm", "404; `make wasm` builds it"), ("worker.js", "the engine did not start")):
        page = context.new_page()
        page.route(f"**/{file}", lambda route: route.fulfill(status=404, body=""))
        page.goto(address)
        page.wait_for_selector("#notice:not([hidden])")
        assert why in page.inner_text("#notice-text")
        assert page.inner_text("#status") == "The game cannot start."
    context.close()


def test_an_answer_that_comes_too_late_is_no_fault(browser, address):
    context = browser.new_context()
    page = context.new_page()
    troubles = []
    page.on("pageerror", lambda error: troubles.append(str(error)))
    late = "setTimeout(() => postMessage({ id, result: null }), 50)"
    replace_worker(page, f"onmessage = ({{ data: {{ id }} }}) => {{ {late}; throw new Error('broken'); }};")
    page.goto(address)
    page.wait_for_selector("#notice:not([hidden])")
    assert "broken" in page.inner_text("#notice-text")
    page.wait_for_timeout(200)
    assert troubles == []
    context.close()


@pytest.mark.parametrize("size", [PHONE, {"width": 360, "height": 640}, {"width": 820, "height": 1180}, DESKTOP])
def test_the_game_fits_the_screen(visit, size):
    page = visit(size)
    to_a_choice(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    for selector in ("#odds-bar", "#table", "#action", "#undo", "#status"):
        box = page.locator(selector).bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= size["width"] + 0.5
        assert box["y"] + box["height"] <= size["height"] + 0.5
    pieces = [piece.bounding_box() for piece in page.locator(".piece").all()]
    assert len(pieces) == 14
    least = 40 if size["width"] < 400 else 44
    assert all(min(cell["width"], cell["height"]) >= least for cell in map(box_of, page.locator(".square").all()))


def box_of(locator):
    return locator.bounding_box()


SMALL, OLD, LYING, TABLET, NARROW = (
    {"width": width, "height": height}
    for width, height in ((320, 568), (360, 640), (844, 390), (768, 1024), (1024, 768))
)
LONGEST = ["", "Orange rolled 2: no legal move, the turn passes.", "Orange moved 10 to 12, captures. Blue rolls."]


@pytest.mark.parametrize("size", [SMALL, OLD, PHONE, LYING, TABLET, NARROW, DESKTOP])
def test_nothing_moves_from_turn_to_turn(visit, size):
    page = visit(size)
    places = [
        page.evaluate(
            f"""(document.getElementById("status").textContent = {json.dumps(text)},
                ["action", "log"].map((id) => document.getElementById(id).getBoundingClientRect().y))"""
        )
        for text in LONGEST
    ]
    for place in places[1:]:
        assert place == pytest.approx(places[0], abs=0.5)
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]


@pytest.mark.parametrize("size", [SMALL, OLD, PHONE, LYING, TABLET])
def test_the_pieces_of_a_pile_are_seen(visit, size):
    def apart(one, other):
        return (
            one["x"] + one["width"] <= other["x"]
            or other["x"] + other["width"] <= one["x"]
            or one["y"] + one["height"] <= other["y"]
            or other["y"] + other["height"] <= one["y"]
        )

    page = visit(size, prepare=lambda page: page.add_init_script("crypto.getRandomValues = (bytes) => bytes.fill(3)"))
    page.click("#action")
    wait(page, "document.querySelector('.hand .badge:not(:empty)')")
    assert page.locator(".hand .count").all_inner_texts() == ["7", "7"]
    for side in (0, 1):
        pile = box_of(page.locator(f".hand[data-side='{side}']"))
        marks = [
            box_of(mark) for mark in page.locator(f".hand[data-side='{side}'] :is(.number, .badge:not(:empty))").all()
        ]
        for piece in map(box_of, page.locator(f".piece.side-{side}").all()):
            assert piece["width"] >= 11
            assert pile["x"] <= piece["x"]
            assert piece["x"] + piece["width"] <= pile["x"] + pile["width"]
            assert pile["y"] <= piece["y"]
            assert piece["y"] + piece["height"] <= pile["y"] + pile["height"]
            assert all(apart(piece, mark) for mark in marks)


def test_a_refusal_is_seen_where_the_file_was_chosen(visit, models):
    page = visit(PHONE)
    page.locator("#open-file").scroll_into_view_if_needed()
    page.set_input_files("#file", models / "short.json")
    notice, close = box_of(page.locator("#notice")), box_of(page.locator("#notice-close"))
    assert notice["y"] >= 0
    assert notice["y"] + notice["height"] <= PHONE["height"]
    assert close["height"] <= 44
    page.click("#notice-close")
    assert page.is_hidden("#notice")


def test_the_list_of_turns_ends_on_a_whole_row(visit):
    page = visit()
    to_a_choice(page)
    list_height = page.evaluate("document.getElementById('log').clientHeight")
    row = page.evaluate("document.querySelector('#log li').getBoundingClientRect().height")
    assert list_height / row == pytest.approx(round(list_height / row), abs=0.04)


def test_less_motion_is_none(visit):
    page = visit()
    style = "getComputedStyle(document.getElementById('hints'), '::after').transitionProperty"
    assert page.evaluate(style) == "none"


def luminance(colour):
    shares = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
    linear = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
    return sum(weight * share for weight, share in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_what_can_be_used_stands_out(visit, scheme):
    page = visit(prepare=lambda page: page.emulate_media(color_scheme=scheme))
    behind = page.evaluate(
        "[document.documentElement, document.querySelector('.card')].map((e) => getComputedStyle(e).backgroundColor)"
    )
    edges = page.evaluate(
        "['select', '#undo', '#hints', '.pile'].map((e) => getComputedStyle(document.querySelector(e)).borderTopColor)"
    )
    for one in behind:
        for other in edges:
            low, high = sorted((luminance(one), luminance(other)))
            assert (high + 0.05) / (low + 0.05) >= 3


def test_what_a_screen_reader_is_told(visit):
    page = visit()
    to_a_choice(page)
    source = page.locator(".movable").first
    name = source.get_attribute("aria-label")
    assert re.search(r": move (to \d+|off the board).*, \d+\.\d %", name)
    assert page.get_by_role("button", name=name, exact=True).count() == 1
    assert page.locator("#status").get_attribute("role") == "status"
    assert re.fullmatch(r"You rolled \d: \d legal moves\.", page.inner_text("#status"))
    assert page.locator("[aria-live]").count() == 1
    page.locator(".movable").first.click()
    wait(page, f"{READY} === 'Roll the dice' && document.querySelector('#log .side-1')")
    said = page.inner_text("#status")
    assert re.fullmatch(r"(Orange (passed|moved \w+ to \w+(, captures)?)\. )?You roll( again)?\.", said)
    assert page.get_by_role("meter", name="Blue's win probability").get_attribute("aria-valuetext").startswith("Blue ")
    nameless = "!element.ariaLabel && !element.textContent.trim() && !element.labels?.length"
    everything = "[...document.querySelectorAll('button, select, input, [role=img]')]"
    unnamed = page.evaluate(f"{everything}.filter((element) => {nameless}).map((element) => element.outerHTML)")
    assert unnamed == []
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement !== document.body")


def test_settings_are_kept(visit):
    page = visit()
    page.select_option("#player-1", "emm:2")
    wait(page, "document.getElementById('name-1').textContent === 'emm:2'")
    page.uncheck("#hints")
    page.reload()
    wait(page, "!document.getElementById('action').disabled")
    assert page.input_value("#player-1") == "emm:2"
    assert not page.is_checked("#hints")
