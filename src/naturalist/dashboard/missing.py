"""Folders of a workspace that were there and are gone: a drive that is no longer mounted."""

from dataclasses import dataclass, field

from naturalist import artifacts
from naturalist.dashboard.collection import Collection
from naturalist.errors import NaturalistError


@dataclass(eq=False)
class Watch:
    """Remembers which folders of a workspace were seen."""

    _was_made: bool = field(default=False, repr=False)

    def missing(self, place: Collection) -> list[str]:
        """The workspace, if it was there at an earlier look, and its folders of pictures.

        A workspace that was never there is none that is gone: nothing has been run yet.
        """
        if place.kind != "workspace":
            return []
        layout = place.layout
        if not layout.marker.exists():
            return [str(layout.root)] if self._was_made else []
        self._was_made = True
        roots = [layout.image_root_marker(name) for name in _image_roots(place)]
        return [str(marker.parent) for marker in roots if not marker.exists()]


def _image_roots(place: Collection) -> list[str]:
    """Folders in which its pictures are kept; none if that cannot be read."""
    try:
        held = artifacts.read_json(place.layout.marker)
    except NaturalistError:
        return []
    roots = held.get("image_roots", []) if isinstance(held, dict) else []
    return [name for name in roots if isinstance(name, str)]
