"""Makes types of documents that have the fields of a dataclass and more keys."""

from types import GenericAlias
from typing import Any, get_type_hints

from pydantic import create_model

from naturalist.document_keys import ROWS


def extended(name: str, about: str, base: type, **more: Any) -> Any:
    """The type of a document with the fields of a dataclass and more keys, each with its type."""
    return _made(name, about, get_type_hints(base) | more)


def listed(name: str, about: str, of: Any) -> Any:
    """The type of a document with one list."""
    return _made(name, about, {ROWS: GenericAlias(list, (of,))})


def _made(name: str, about: str, kinds: dict[str, Any]) -> Any:
    fields: dict[str, Any] = {key: (kind, ...) for key, kind in kinds.items()}
    return create_model(name, __doc__=about, **fields)
