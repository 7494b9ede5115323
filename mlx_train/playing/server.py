"""The server of the page that plays, for the browser of this machine.

The page is static: the folder web/, and beside it weights/ with the shipped networks (docs/web.md). The server adds
what a page opened from disk lacks: the content types of WebAssembly and modules, and headers that keep other origins
out.
"""

import contextlib
import functools
import gzip
import re
import sys
import threading
import webbrowser
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from engine.network.network import Network
from mlx_train.system.files import compressed
from mlx_train.system.progress import say

#: Nothing but this machine reaches the server.
HOST = "127.0.0.1"

#: Content types by suffix; files with another suffix are not served.
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".gz": "application/gzip",
    ".svg": "image/svg+xml",
    ".wasm": "application/wasm",
}

#: The path of the file of `--model`, whose name may contain any character.
MODEL = "model"
MODEL_TYPE = "application/octet-stream"

_POLL = 0.02  # seconds between two looks of a background server at whether it should end

# Sent beside the content security policy: no other origin in the page's process (which also gives it a finer clock).
_HEADERS = {
    "Cache-Control": "no-cache",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


@dataclass(frozen=True, kw_only=True)
class Site:
    """The files that are served: the page at /, the shipped networks and their quantised files below /weights/, and one
    more at /model.
    """

    page: Path
    weights: Path
    model: Path | None = None

    def file(self, path: str) -> tuple[str, bytes] | None:
        """The content type and the bytes of a path such as /main.js; None for a path without a file."""
        if self.model and path == f"/{MODEL}":
            return MODEL_TYPE, self.model.read_bytes()
        folder, _, name = path.removeprefix("/").rpartition("/")
        name = name or "index.html"
        kind = TYPES.get(Path(name).suffix)
        place = self._folders().get(folder)
        content = _content(place, name) if kind and place and place.is_dir() else None
        return (kind, content) if kind and content is not None else None

    def _folders(self) -> dict[str, Path]:
        """The folders that are served, by their paths."""
        return {"": self.page, "weights": self.weights, "weights/quantized": self.weights / "quantized"}

    def policy(self) -> str:
        """The Content-Security-Policy of the page's <meta>, and a rule that no page may frame it."""
        text = (self.page / "index.html").read_text()
        policy = re.search(r'http-equiv="Content-Security-Policy"\s+content="([^"]+)"', text)
        if policy is None:
            raise ValueError(f"{self.page / 'index.html'}: no Content-Security-Policy")
        return f"{policy[1]}; frame-ancestors 'none'"

    def address(self, port: int) -> str:
        """The page's address; a model's name is in its query, and the page then plays the model."""
        query = f"?model={quote(self.model.name, safe='', errors='replace')}" if self.model else ""
        return f"http://{HOST}:{port}/{query}"


def _content(folder: Path, name: str) -> bytes | None:
    """The bytes of a file of a folder; None where the folder has no such file. No other path is followed.

    A checkout has a network as NAME.json, an installed package as NAME.json.gz: the other form is made here.
    """
    names = {path.name for path in folder.iterdir()}
    plain = folder / name.removesuffix(".gz")
    if name.endswith(".json.gz") and plain.name in names:
        return _compressed(plain, plain.stat().st_mtime_ns)
    if name in names:
        return (folder / name).read_bytes()
    return gzip.decompress((folder / f"{name}.gz").read_bytes()) if f"{name}.gz" in names else None


@functools.lru_cache(maxsize=32)
def _compressed(path: Path, modified: int) -> bytes:
    """The gzip of a file, kept until the file changes. modified: nanoseconds."""
    return compressed(path.read_bytes())


def locate(model: Path | None = None) -> Site:
    """The site of this installation or checkout. Raises FileNotFoundError where the engine's WebAssembly is missing."""
    package = Path(__file__).parents[1]
    installed = (package / "site").is_dir()  # setup.py makes site/ in an installation
    base = package / "site" if installed else package.parent
    site = Site(page=base / "web", weights=base / "weights", model=model)
    if not (site.page / "ur.wasm").exists():
        how = "this package was built from a checkout without it" if installed else "`make wasm` builds it"
        raise FileNotFoundError(f"{site.page / 'ur.wasm'} is missing: {how}")
    return site


class Server(ThreadingHTTPServer):
    """Serves a site on the loopback address; port 0 takes a free port. Raises OSError if the port is taken."""

    daemon_threads = True

    def __init__(self, site: Site, port: int) -> None:
        self.site = site
        self.headers = _HEADERS | {"Content-Security-Policy": site.policy()}
        try:
            super().__init__((HOST, port), _Handler)
        except OSError as error:
            raise OSError(f"port {port}: {error.strerror}; --port 0 takes a free one") from None

    @property
    def address(self) -> str:
        """The address to open in the browser."""
        return self.site.address(self.server_port)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore a browser that closes the connection during an answer, as a reload may."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    @contextlib.contextmanager
    def background(self) -> Iterator[str]:
        """Serve from a thread while the context lasts -> the address."""
        thread = threading.Thread(target=self.serve_forever, args=(_POLL,), daemon=True)
        with self:
            thread.start()
            try:
                yield self.address
            finally:
                self.shutdown()
                thread.join()


class _Handler(BaseHTTPRequestHandler):
    server: Server
    server_version = "mlx-ur"
    sys_version = ""
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer with a file of the site."""
        self._answer(self._status_and_file())

    def do_HEAD(self) -> None:
        """Answer with the headers of a file of the site."""
        self._answer(self._status_and_file())

    def _status_and_file(self) -> tuple[HTTPStatus, str, bytes]:
        # A page of another origin whose name resolves to this machine has its own name in Host.
        host = self.headers.get("Host", "").rpartition(":")[0] or self.headers.get("Host", "")
        if host not in (HOST, "localhost"):
            return HTTPStatus.MISDIRECTED_REQUEST, *_plain("this server answers to its own address only")
        try:
            file = self.server.site.file(unquote(urlsplit(self.path).path))
        except OSError as error:
            return HTTPStatus.INTERNAL_SERVER_ERROR, *_plain(str(error))
        if file is None:
            return HTTPStatus.NOT_FOUND, *_plain("nothing is here")
        return HTTPStatus.OK, *file

    def _answer(self, answer: tuple[HTTPStatus, str, bytes]) -> None:
        status, kind, content = answer
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, *arguments: object) -> None:
        """Log nothing: a failure shows on the page."""


def _plain(text: str) -> tuple[str, bytes]:
    return "text/plain; charset=utf-8", text.encode()


def check_model(model: Path | None) -> None:
    """Raise ValueError or OSError for a weights file that the engine can't read."""
    if model is not None:
        Network.load(model)


def serve(model: Path | None, port: int, browse: bool) -> None:
    """Print the page's address and serve it until Ctrl-C; `browse` opens it in the browser."""
    server = Server(locate(model), port)
    print(server.address, flush=True)
    say("the page is served there; Ctrl-C ends it")
    with server:
        if browse:  # a browser in the terminal returns only when it is closed
            threading.Thread(target=webbrowser.open, args=(server.address,), daemon=True).start()
        with contextlib.suppress(KeyboardInterrupt):
            server.serve_forever()
