"""What a benchmark ran on: what has to stand beside its table."""

import os
import platform
import re
from importlib.metadata import version
from pathlib import Path


def facts(*packages: str) -> dict[str, str | int | float]:
    """Processor, cores that may be used, load now, and the versions of Python and of packages."""
    return {
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)),
        "load": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
    } | {name: version(name) for name in packages}


def line(*packages: str) -> str:
    """The same in one line, for a table in Markdown."""
    found = facts(*packages)
    more = "".join(f", {name} {found[name]}" for name in packages)
    return (
        f"{found['processor']}, {found['cores']} cores, load {found['load']}, "
        f"Python {found['python']}{more}"
    )


def processor() -> str:
    """Its name; that of the architecture where the system has none."""
    named = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return named[1].strip() if named else platform.machine()
