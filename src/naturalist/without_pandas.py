"""Keep pandas out of programs that never use it.

pyarrow imports pandas, where it is installed, the first time it makes an array: about a tenth of a
short command, and again in every worker. Nothing that a command or a worker does needs it; only
`naturalist.load(...).pandas()` and notebooks do, and those run in a person's own program.
"""

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from types import ModuleType


class _Refusing(MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> None:
        del path, target
        if fullname == "pandas":
            raise ModuleNotFoundError("naturalist's own processes do without pandas", name=fullname)


def refuse_pandas() -> None:
    """From here on, importing pandas in this process fails as if it were not installed."""
    if not any(isinstance(finder, _Refusing) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Refusing())
