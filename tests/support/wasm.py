"""The WebAssembly that the tests run: web/ur.wasm, as `make wasm` builds it."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
WASM = ROOT / "web" / "ur.wasm"


def missing():
    """Why web/ur.wasm cannot be tested: it is not built, or older than its sources; None if it can."""
    if not WASM.exists():
        return "web/ur.wasm is not built: make wasm"
    sources = [path for folder in ("engine", "portable") for path in (ROOT / folder).rglob("*")]
    newest = max(
        path.stat().st_mtime
        for path in sources
        if path.suffix in (".pyx", ".pxd", ".h") or path.name in ("build.py", "document.py", "quantized.py")
    )
    return "web/ur.wasm is older than its sources: make wasm" if WASM.stat().st_mtime < newest else None
