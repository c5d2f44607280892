"""Backbones are tested with a cache of their own, never the user's."""

from collections.abc import Iterator

import numpy as np
import pytest
import skimage.data
from numpy.typing import NDArray


@pytest.fixture(scope="session", autouse=True)
def cache_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def real_pictures() -> dict[str, NDArray[np.uint8]]:
    """RGB photos that come with scikit-image."""
    names = ("cat", "astronaut", "coffee", "rocket")
    return {name: np.asarray(getattr(skimage.data, name)()) for name in names}
