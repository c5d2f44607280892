"""Build the site of the documentation, with warnings as errors, into build/site.

Usage: python tools/build_docs.py [--prepare]

Copies docs/ to build/docs and adds the pages that follow from the code: exit codes, exceptions, the
Python API and JSON schemas. Links to pages beside docs/ lead to their copies. Then Zensical builds
it, and the result is checked for addresses that a browser would load from other hosts.
With --prepare it stops before that.
"""

import json
import re
import shutil
import subprocess
import sys
from itertools import groupby
from pathlib import Path

from naturalist import errors
from naturalist.api.reports import REPORTS, schema_of
from naturalist.cli.errors import EXIT_MEANINGS
from settings_reference import settings_page

ROOT = Path(__file__).resolve().parents[1]
PAGES = ROOT / "build/docs"
SITE = ROOT / "build/site"
BESIDE = {
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "GOVERNANCE.md": "governance.md",
    "CODE_OF_CONDUCT.md": "conduct.md",
    "README.md": "index.md",
    "AGENTS.md": "agents.md",
}
"""Pages beside docs/, and what their copies are called."""
THEMES = {
    "00": "Ledger, tables and budgets",
    "01": "Networks and pixels",
    "02": "Airflow",
    "03": "Publishing and reading",
    "04": "Workspaces, files and many machines",
    "05": "Maps, clusters and search",
    "06": "Classifier, labels and categories",
    "07": "Dashboard and review",
    "08": "How the program is built and spoken to",
    "09": "Data sets and metadata",
}
"""Themes of decisions, by the first two digits of their numbers."""
_DROPPED = "\0"
_LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)(#[^)]*)?\)")
_LOADED = re.compile(
    r"<(?:script|img|iframe|source)[^>]+src=[\"']?https?://[^\"'> ]+"
    r"|<link[^>]+stylesheet[^>]+href=[\"']?https?://[^\"'> ]+"
    r"|url\([\"']?https?://[^)]+"
)


def main() -> None:
    """Write the pages and build the site."""
    prepare()
    if "--prepare" in sys.argv:
        return
    shutil.rmtree(SITE, ignore_errors=True)
    program = Path(sys.executable).with_name("zensical")
    command = [program, "build", "--strict", "--clean", "-f", ROOT / "mkdocs.yml"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    if done.returncode:
        # The last lines are a traceback of the builder; what is wrong with the pages is before it.
        said = (done.stdout + done.stderr).partition("Traceback")[0]
        sys.exit(f"the site of the documentation cannot be built:\n{said}")
    foreign = list(loaded_from_elsewhere(SITE))
    if foreign:
        sys.exit("pages load from other hosts:\n" + "\n".join(foreign))
    print(f"{len(list(SITE.rglob('*.html')))} pages in {SITE.relative_to(ROOT)}")


def prepare() -> None:
    """Write all pages into build/docs."""
    shutil.rmtree(PAGES, ignore_errors=True)
    shutil.copytree(ROOT / "docs", PAGES, ignore=shutil.ignore_patterns("kuberay", "*.ipynb"))
    for name, copy in BESIDE.items():
        if name != "README.md" and (ROOT / name).exists():
            (PAGES / copy).write_text((ROOT / name).read_text())
    for page in PAGES.rglob("*.md"):
        page.write_text(relinked(page))
    for path in (ROOT / "docs/notebooks").glob("*.ipynb"):
        page = PAGES / "notebooks" / f"{path.stem}.md"
        page.parent.mkdir(exist_ok=True)
        page.write_text(notebook(path))
    generated = {
        "exit-codes.md": exit_codes(),
        "reference/exceptions.md": exceptions(),
        "reference/settings.md": settings_page(),
        "reference/python.md": python_reference(),
        "reference/schemas.md": schemas(),
        "decisions/index.md": decisions(),
    }
    for name, text in generated.items():
        (PAGES / name).parent.mkdir(exist_ok=True)
        (PAGES / name).write_text(text)


def relinked(page: Path) -> str:
    """A page whose links lead to pages of the site; a link to other files becomes plain text."""
    text = page.read_text()
    folder = page.parent.relative_to(PAGES)
    # Where the page lies in the repository: pages beside docs/ were copied into it.
    is_beside = str(folder) == "." and page.name in BESIDE.values() and page.name != "index.md"
    here = ROOT if is_beside else ROOT / "docs" / folder

    def link(found: re.Match[str]) -> str:
        target, anchor = (here / found[1]).resolve(), found[2] or ""
        if target == ROOT / "README.md" and anchor == "#exit-codes":
            goal, anchor = PAGES / "exit-codes.md", ""
        elif target.parent == ROOT and target.name in BESIDE:
            goal = PAGES / BESIDE[target.name]
        elif target == ROOT / "docs/decisions":
            goal = PAGES / "decisions/index.md"
        elif target.is_relative_to(ROOT / "docs") and target.is_file():
            goal = PAGES / target.relative_to(ROOT / "docs")
            goal = goal.with_suffix(".md") if goal.suffix == ".ipynb" else goal
        else:
            return f"]{_DROPPED}"
        up = len(folder.parts)
        return f"]({'../' * up}{goal.relative_to(PAGES).as_posix()}{anchor})"

    # What is left of a link to a file that is not in the site: its words.
    return re.sub(rf"\[([^\[\]]*)\]{_DROPPED}", r"\1", _LINK.sub(link, text))


def notebook(path: Path) -> str:
    """A notebook as a page: its texts and its code."""
    parts = []
    for cell in json.loads(path.read_text())["cells"]:
        text = "".join(cell["source"])
        parts.append(text if cell["cell_type"] == "markdown" else f"```python\n{text}\n```")
    parts.append(f"As a file: `docs/notebooks/{path.name}`, run by the tests.")
    return "\n\n".join(parts) + "\n"


def exit_codes() -> str:
    """The page of exit codes."""
    rows = [f"| {code} | {meaning} |" for code, meaning in EXIT_MEANINGS.items()]
    return "\n".join(["# Exit codes", "", "| code | meaning |", "|---|---|", *rows, ""])


def exceptions() -> str:
    """The page of exceptions: the tree, and each class."""
    tree = (errors.__doc__ or "").partition("::")[2].partition("An interrupt")[0].rstrip()
    lines = ["# Exceptions", "", "Each message says what to do next.", "", "```text"]
    lines += [line.removeprefix("    ") for line in tree.strip("\n").splitlines()]
    return "\n".join([*lines, "```", "", "::: naturalist.errors", ""])


def python_reference() -> str:
    """The page of the Python API; its text comes from docstrings."""
    names = (
        "naturalist.consume.load",
        "naturalist.consume.Collection",
        "naturalist.api.open_collection",
        "naturalist.api.Opened",
        "naturalist.api.results",
        "naturalist.api.findings",
        "naturalist.stores.S3Options",
    )
    about = "What may be relied on is written in [Python API](../api.md).\n"
    return "\n".join(["# Python reference", "", about, *(f"::: {name}\n" for name in names)])


def schemas() -> str:
    """The page of JSON schemas; each is also written as a file beside it."""
    folder = PAGES / "reference/schemas"
    folder.mkdir(parents=True, exist_ok=True)
    lines = [
        "# JSON schemas",
        "",
        (
            "Of the documents that commands print with `--json`, made from the types in the code. "
            "[JSON output](../json.md) says what the keys mean."
        ),
        "",
    ]
    for command, report in REPORTS.items():
        schema = json.dumps(schema_of(command), indent=1)
        name = "-".join(re.findall(r"\w[\w-]*", command)).lower()
        (folder / f"{name}.json").write_text(schema)
        lines += [
            f"## naturalist {command}",
            "",
            (report.__doc__ or "").partition("\n\n")[0],
            "",
            f"[{name}.json](schemas/{name}.json)",
            "",
            "```json",
            schema,
            "```",
            "",
        ]
    return "\n".join(lines)


def decisions() -> str:
    """The list of decisions, by theme: the first two digits of their numbers."""
    lines = ["# Decisions", "", "Choices that are expensive to turn back, and what was refused."]
    by_theme = groupby(sorted((ROOT / "docs/decisions").glob("*.md")), lambda path: path.name[:2])
    for theme, paths in by_theme:
        lines += ["", f"## {THEMES[theme]}", ""]
        for path in paths:
            title = path.read_text().partition("\n")[0].removeprefix("# ")
            lines.append(f"- [{title}]({path.name})")
    return "\n".join([*lines, ""])


def loaded_from_elsewhere(site: Path) -> list[str]:
    """What a browser would fetch from another host, with the page that asks for it."""
    files = [path for path in site.rglob("*") if path.suffix in (".html", ".css")]
    return [
        f"{path.relative_to(site)}: {found}"
        for path in files
        for found in _LOADED.findall(path.read_text())
    ]


if __name__ == "__main__":
    main()
