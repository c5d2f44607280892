"""Folders of pictures in; verified, published, versioned feature tables out."""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

# Since 1.29 ONNX Runtime reports to its makers, from the moment it is imported, and gives the
# machine an id. Only the environment, before that moment, keeps it from both.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

if TYPE_CHECKING:
    from naturalist.api import open_collection as open  # noqa: A004
    from naturalist.consume import load as load

__version__ = "0.2.0"
__all__ = ["load", "open"]


def __getattr__(name: str) -> Any:
    # Importing the package stays cheap: what loads tables comes with the first use of it.
    if name == "load":
        from naturalist.consume import load

        return load
    if name == "open":
        from naturalist.api import open_collection

        return open_collection
    if name == "show":
        return import_module("naturalist.dashboard.notebook").show
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *__all__, "show"]
