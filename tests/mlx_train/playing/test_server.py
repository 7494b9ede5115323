"""The server of the page, and what is packaged of it."""

import gzip
import http.client
import json
import os
import re
import runpy
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
from setuptools import Distribution

from mlx_train.playing import server as page_server
from mlx_train.system.files import compressed

ROOT = Path(__file__).parents[3]
GOLDEN = ROOT / "tests" / "support" / "golden_network.json"


@pytest.fixture
def site(tmp_path):
    """A site of the checkout's page, its wasm a stand-in, and of two networks: one as plain JSON, one as gzip."""
    page, weights = tmp_path / "web", tmp_path / "weights"
    page.mkdir()
    weights.mkdir()
    for file in (ROOT / "web").iterdir():
        if file.suffix in page_server.TYPES:
            (page / file.name).write_bytes(file.read_bytes())
    (page / "ur.wasm").write_bytes(b"\0asm")
    (page / "notes.txt").write_text("not for the browser")
    (weights / "one.json.gz").write_bytes(gzip.compress(b'{"a": 1}'))
    (weights / "two.json").write_bytes(b'{"a": 2}')
    (tmp_path / "secret.json").write_text("{}")
    return page_server.Site(page=page, weights=weights)


@contextmanager
def serving(site):
    """The port of a server of the site."""
    server = page_server.Server(site, 0)
    with server.background():
        yield server.server_port


def ask(port, path, method="GET", **headers):
    """(status, headers, body) of one request."""
    connection = http.client.HTTPConnection(page_server.HOST, port, timeout=20)
    try:
        connection.request(method, path, headers=headers)
        response = connection.getresponse()
        return response.status, response.headers, response.read()
    finally:
        connection.close()


def run(*arguments, **options):
    command = [sys.executable, "-m", "mlx_train", "web", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, **options)


def test_every_file_has_its_type_and_the_policy(site):
    with serving(site) as port:
        for file in site.page.iterdir():
            status, headers, body = ask(port, f"/{file.name}")
            if file.suffix in page_server.TYPES:
                assert (status, body) == (200, file.read_bytes())
                assert headers["Content-Type"] == page_server.TYPES[file.suffix]
            else:
                assert status == 404
            assert headers["Content-Security-Policy"] == site.policy()
            assert headers["X-Content-Type-Options"] == "nosniff"
        assert ask(port, "/")[2] == (site.page / "index.html").read_bytes()
        status, headers, body = ask(port, "/main.js", "HEAD")
        assert (status, body) == (200, b"")
        assert int(headers["Content-Length"]) == (site.page / "main.js").stat().st_size


def test_the_policy_is_strict(site):
    allowed = dict(part.strip().split(" ", 1) for part in site.policy().split(";"))
    assert allowed.pop("script-src") == "'self' 'wasm-unsafe-eval'"
    assert allowed["default-src"] == allowed["frame-ancestors"] == "'none'"
    assert set(allowed.values()) == {"'self'", "'none'"}


def test_a_page_without_a_policy_is_not_served(site):
    (site.page / "index.html").write_text("<!doctype html>")
    with pytest.raises(ValueError, match="no Content-Security-Policy"):
        page_server.Server(site, 0)


def test_the_page_is_whole_and_local():
    text = (ROOT / "web" / "index.html").read_text()
    assert "<style" not in text
    assert not re.search(r"\s(style|on\w+)=", text)
    assert re.findall(r"<script(?! type=\"module\" src=)", text) == []
    sources = "\n".join(file.read_text() for file in sorted((ROOT / "web").glob("*.js")))
    wanted = re.findall(r'(?:href|src)="([^#"]+)"', text) + re.findall(r'from "\./([^"]+)"', sources)
    assert {"main.js", "style.css", "game.js", "ur.js"} <= set(wanted)
    assert all((ROOT / "web" / name).is_file() for name in wanted if name != "ur.js")
    assert not re.search(r"https?://(?!www\.w3\.org/)", text + sources)


@pytest.mark.parametrize(
    "path",
    ["/../secret.json", "/%2e%2e/secret.json", "/weights/../../secret.json", "/weights/..%2fsecret.json", "/weights/",
     "/model", "/models/one.json", "/none.js", "//etc/passwd", "/weights/none.json.gz"],
)  # fmt: skip
def test_nothing_else_is_served(site, path):
    with serving(site) as port:
        status, headers, body = ask(port, path)
    assert (status, body) == (404, b"nothing is here")
    assert headers["Content-Type"].startswith("text/plain")


def test_a_name_of_elsewhere_is_not_answered(site):
    with serving(site) as port:
        assert ask(port, "/", Host=f"localhost:{port}")[0] == 200
        assert ask(port, "/", Host=f"ur.example:{port}")[0] == 421
        assert ask(port, "/", Host="")[0] == 421


@pytest.mark.parametrize(("name", "content"), [("one", b'{"a": 1}'), ("two", b'{"a": 2}')])
def test_weights_come_plain_and_compressed_whichever_file_is_there(site, name, content):
    with serving(site) as port:
        packed = ask(port, f"/weights/{name}.json.gz")
        plain = ask(port, f"/weights/{name}.json")
    assert packed[1]["Content-Type"] == "application/gzip"
    assert "Content-Encoding" not in packed[1]
    assert gzip.decompress(packed[2]) == plain[2] == content
    assert plain[1]["Content-Type"] == "application/json"


def test_a_network_that_changes_is_compressed_again(site):
    file = site.weights / "two.json"
    packed = site.file("/weights/two.json.gz")[1]
    assert site.file("/weights/two.json.gz")[1] is packed
    file.write_bytes(b'{"a": 3}')
    os.utime(file, ns=(0, 0))
    assert gzip.decompress(site.file("/weights/two.json.gz")[1]) == b'{"a": 3}'


def test_the_json_goes_before_a_gzip_beside_it(site):
    (site.weights / "two.json.gz").write_bytes(gzip.compress(b"old"))
    assert gzip.decompress(site.file("/weights/two.json.gz")[1]) == b'{"a": 2}'


def test_a_damaged_file_is_an_answer(site):
    (site.weights / "one.json.gz").write_bytes(b"not gzip")
    with serving(site) as port:
        assert ask(port, "/weights/one.json")[0] == 500


@pytest.mark.parametrize(
    ("name", "query"),
    [
        ("my model.json", "my%20model.json"),
        ("a#b?c&d+100%.gz", "a%23b%3Fc%26d%2B100%25.gz"),
        ("größe", "gr%C3%B6%C3%9Fe"),
    ],
)
def test_a_model_is_served_whatever_its_name(site, tmp_path, name, query):
    model = tmp_path / name
    model.write_bytes(GOLDEN.read_bytes())
    with_model = page_server.Site(page=site.page, weights=site.weights, model=model)
    with serving(with_model) as port:
        assert ask(port, "/model")[2] == GOLDEN.read_bytes()
    with page_server.Server(with_model, 0) as server:
        assert server.address == f"http://127.0.0.1:{server.server_port}/?model={query}"
        assert server.server_address[0] == "127.0.0.1"


def test_a_browser_that_goes_away_is_not_told(site, capsys):
    def handle(error):
        with page_server.Server(site, 0) as server:
            try:
                raise error
            except type(error):
                server.handle_error(None, (page_server.HOST, 1))
        return capsys.readouterr().err

    assert handle(ConnectionResetError("gone")) == handle(BrokenPipeError("gone")) == ""
    assert "ValueError: a fault" in handle(ValueError("a fault"))


def test_a_port_in_use_is_one_line(site):
    with (
        page_server.Server(site, 0) as server,
        pytest.raises(OSError, match=rf"^port {server.server_port}: .*; --port 0 takes a free one$"),
    ):
        page_server.Server(site, server.server_port)


def test_the_command_refuses_what_is_no_network(tmp_path):
    broken = tmp_path / "broken.json"
    broken.write_text("{")
    for model, code in ((broken, 2), (tmp_path / "none.json", 1)):
        result = run("--no-open", "--port", 0, "--model", model)
        assert (result.returncode, result.stdout) == (code, "")
        assert model.name in "".join(result.stderr.replace("│", " ").split())
    assert run("--port", 70000).returncode == 2


@pytest.mark.skipif(not (ROOT / "web" / "ur.wasm").exists(), reason="web/ur.wasm is not built: make wasm")
def test_the_command_serves_until_interrupted():
    command = [sys.executable, "-m", "mlx_train", "web", "--no-open", "--port", "0", "--model", str(GOLDEN)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        address = process.stdout.readline().strip()
        port = int(re.fullmatch(r"http://127\.0\.0\.1:(\d+)/\?model=golden_network\.json", address)[1])
        assert json.loads(ask(port, "/weights/manifest.json")[2])["models"]
        assert ask(port, "/model")[0] == 200
        assert ask(port, "/ur.wasm")[1]["Content-Type"] == "application/wasm"
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 0
        assert "Traceback" not in process.stderr.read()


@pytest.mark.skipif(not (ROOT / "web" / "ur.wasm").exists(), reason="web/ur.wasm is not built: make wasm")
def test_a_browser_in_the_terminal_gets_the_page(tmp_path):
    browser, got = tmp_path / "browser", tmp_path / "got"
    browser.write_text(
        f"#!{sys.executable}\nimport sys, urllib.request\nfrom pathlib import Path\n"
        "page = urllib.request.urlopen(sys.argv[1], timeout=20).read()\n"
        f"Path({str(got)!r}).write_bytes(page)\nprint('got', flush=True)\n"
    )
    browser.chmod(0o755)
    command = [sys.executable, "-m", "mlx_train", "web", "--port", "0"]
    environment = os.environ | {"BROWSER": str(browser)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout.readline().startswith("http://127.0.0.1:")
        assert process.stdout.readline() == "got\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 0
    assert got.read_bytes() == (ROOT / "web" / "index.html").read_bytes()


def test_an_installation_without_the_engine_of_the_page_says_so(tmp_path):
    package = tmp_path / "mlx_train"
    (package / "site" / "web").mkdir(parents=True)
    (package / "playing").mkdir()
    (package / "playing" / "server.py").write_bytes(Path(page_server.__file__).read_bytes())
    code = "import sys; sys.path.insert(0, 'playing'); import server; server.locate()"
    result = subprocess.run([sys.executable, "-c", code], cwd=package, capture_output=True, text=True, check=False)
    last = result.stderr.splitlines()[-1]
    assert re.search(
        r"FileNotFoundError: .*site.web.ur\.wasm is missing: this package was built from a checkout without it$", last
    )


def test_an_installed_package_has_the_site(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    build = runpy.run_path("setup.py")["BuildWithSite"](
        Distribution({"packages": ["mlx_train", "mlx_train.playing", "mlx_train.system"], "script_name": "setup.py"})
    )
    build.build_lib = str(tmp_path)
    build.ensure_finalized()
    build.run()
    site = tmp_path / "mlx_train" / "site"
    page = {file.name for file in (ROOT / "web").iterdir() if file.suffix in page_server.TYPES} - {"package.json"}
    assert {file.name for file in (site / "web").iterdir()} == page
    models = json.loads((site / "weights" / "manifest.json").read_text())["models"]
    names = {f"{model['name']}.json.gz" for model in models}
    assert {file.name for file in (site / "weights").iterdir()} == {"manifest.json", "quantized", *names}
    for folder in ("weights", "weights/quantized"):
        for file in (ROOT / folder).glob("*.json"):
            if file.name != "manifest.json":
                assert (site / folder / f"{file.name}.gz").read_bytes() == compressed(file.read_bytes())
    if "ur.wasm" in page:
        code = "from mlx_train.playing.server import locate; print(locate().page)"
        result = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
        assert Path(result.stdout.strip()) == site / "web"
