"""What `mkdocs` calls while it builds the site (mkdocs.yml): the README is its first page, linked files come along.

The documents are written for the repository, where README.md lies above docs/ and a link may lead to a file elsewhere.
On the site README.md is index.md, and a linked file beyond docs/ has the place under the site that it has in the
repository.
"""

import re
from pathlib import Path
from typing import Any

import griffe
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[2]

# A Markdown link to a file of the repository, from README.md and from a page of docs/.
_FROM_README = re.compile(r"\]\((?!https?:|#)([^)#]+)((?:#[^)]*)?)\)")
_FROM_DOCS = re.compile(r"\]\(\.\./([^)#]+)((?:#[^)]*)?)\)")

# The line that Cython puts before the docstring of a function: its signature, which the stubs have with types.
_SIGNATURE = re.compile(r"^[\w.]+\(.*\)(?: -> .*)?\n")


class PlainDocstrings(griffe.Extension):
    """Takes the signatures out of the docstrings of compiled modules."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Called with each module, class and function."""
        if obj.docstring is not None:
            obj.docstring.value = _SIGNATURE.sub("", obj.docstring.value)


def on_files(files: Files, *, config: Any) -> Files:
    """Add README.md as index.md, and every file beyond docs/ that a document links."""
    files.append(File.generated(config, "index.md", content=_readme_for_site((ROOT / "README.md").read_text())))
    linked = set(_FROM_README.findall((ROOT / "README.md").read_text()))
    for page in (ROOT / "docs").glob("*.md"):
        linked |= set(_FROM_DOCS.findall(page.read_text()))
    for path, _ in sorted(linked):
        if not path.startswith("docs/") and files.get_file_from_path(path) is None and path != "README.md":
            files.append(File.generated(config, path, abs_src_path=str(ROOT / path)))
    return files


def on_page_markdown(markdown: str, *, page: Any, config: Any, files: Files) -> str:
    """Turn links out of docs/ into links on the site."""
    if page.file.src_uri == "index.md":
        return markdown
    up = "../" * page.file.src_uri.count("/")
    return _FROM_DOCS.sub(lambda link: f"]({up}{_on_site(link[1])}{link[2]})", markdown)


def _on_site(path: str) -> str:
    """Where a file of the repository is on the site."""
    return "index.md" if path == "README.md" else path.removeprefix("docs/")


def _readme_for_site(text: str) -> str:
    return _FROM_README.sub(lambda link: f"]({_on_site(link[1])}{link[2]})", text)
