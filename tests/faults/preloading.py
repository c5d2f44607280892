"""What the server has that commands are forked from; imported by it, once.

Each kind of command is run on a small collection, so that what it imports late is there too.
"""

from faults.starts import make_collection
from faults.striking import run_here
from tiny import in_memory

_COMMANDS = (
    "status -c collection",
    "run -c collection -q",
    "map -c collection -q",
    "cluster -c collection -q",
    "train -c collection -q",
    "duplicates -c collection -q",
    "dashboard -c collection --export site -q",
    "dashboard -c missing",
    "review missing.csv -c collection",
    "category list -c collection",
    "takedown plant_id_1 --why warm -c collection",
    "snapshots list -c collection",
    "pull published here -q",
)

with in_memory() as _folder:
    make_collection(_folder / "warm")
    for _line in _COMMANDS:
        run_here(_line.split(), _folder / "warm")

import uvicorn  # noqa: E402, F401

import naturalist.dashboard.connections  # noqa: E402
import naturalist.dashboard.reviewing  # noqa: E402, F401
