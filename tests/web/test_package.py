"""The npm package: what `npm pack` puts into it works in Node and in a browser."""

import functools
import json
import re
import shutil
import subprocess
import tarfile
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import wasm

from mlx_train.tools import browser

ROOT = Path(__file__).parents[2]
WEB = ROOT / "web"

pytestmark = [
    pytest.mark.skipif(shutil.which("npm") is None, reason="needs npm"),
    pytest.mark.skipif(wasm.missing() is not None, reason=wasm.missing() or ""),
]


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A folder whose node_modules has the package, unpacked from its archive as npm would."""
    copy = tmp_path_factory.mktemp("copy")  # npm's scripts write beside package.json
    shutil.copytree(WEB, copy / "web")
    shutil.copytree(ROOT / "weights/quantized", copy / "weights/quantized")
    packed = subprocess.run(
        ["npm", "pack", "--json", "--offline", "--silent"],
        capture_output=True, text=True, cwd=copy / "web", timeout=120,
    )  # fmt: skip
    assert packed.returncode == 0, packed.stderr
    assert not (copy / "web/networks").exists()
    (archive,) = (copy / "web").glob("mlx-ur-*.tgz")
    folder = tmp_path_factory.mktemp("project")
    with tarfile.open(archive) as file:
        file.extractall(folder / "unpacked", filter="data")
    (folder / "node_modules").mkdir()
    (folder / "unpacked/package").rename(folder / "node_modules/mlx-ur")
    shutil.copy(ROOT / "examples/page.html", folder / "index.html")
    return folder


def test_the_package_has_what_it_imports_and_no_page(project):
    package = project / "node_modules/mlx-ur"
    files = {str(path.relative_to(package)) for path in package.rglob("*") if path.is_file()}
    listed = json.loads((package / "package.json").read_text())["files"]
    networks = {f"networks/{name}.json" for name in ("ur-3k", "ur-29k", "standard")}
    assert files == {*listed, "package.json", "README.md"} - {"networks"} | networks
    for module in package.glob("*.js"):
        for imported in re.findall(r'from "\./([^"]+)"', module.read_text()):
            assert imported in files


def test_the_types_name_every_function():
    declared = (WEB / "ur.d.ts").read_text()
    ur_class = (WEB / "ur.js").read_text().partition("export class Ur {")[2].partition("\n}\n")[0]
    for name in re.findall(r"^  (?:static async )?(?:get )?([a-z]\w*)\(.*\) \{$", ur_class, re.MULTILINE):
        assert re.search(rf"^  (?:static |readonly |private )?{name}[(:]", declared, re.MULTILINE), name


def test_the_versions_agree():
    version = re.search(r'^version = "(.*)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)[1]
    assert json.loads((WEB / "package.json").read_text())["version"] == version


def test_the_readme_runs_in_node(project):
    code = re.search(r"```js\n(.*?)```", (WEB / "README.md").read_text(), re.DOTALL)[1]
    (project / "readme.mjs").write_text(code)
    result = subprocess.run(["node", "readme.mjs"], capture_output=True, text=True, cwd=project, timeout=60)
    assert result.returncode == 0, result.stderr
    assert "value" in result.stdout


@pytest.mark.skipif(browser.missing() is not None, reason=browser.missing() or "")
def test_the_example_page_plays_in_chromium(project):
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    assert len((project / "index.html").read_text().splitlines()) <= 40
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=project)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with browser.chromium() as chromium:
            page = chromium.new_page()
            errors = []
            page.on("pageerror", lambda error: errors.append(str(error)))
            page.goto(f"http://127.0.0.1:{server.server_port}/")
            page.wait_for_function("document.querySelector('output').textContent.includes('wins')", timeout=30_000)
            page.click("button")
            turns = page.locator("li").count()
            assert page.locator("output").inner_text().endswith(f"wins after {turns} turns")
        server.shutdown()
    assert errors == []
