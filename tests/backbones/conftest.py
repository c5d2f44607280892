"""Backbones are tested with a cache and a home of their own, never the user's."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from numpy.typing import NDArray

from naturalist import backbones

TFLITE = "mobilenet_v1_0.5_128_quant.tflite"


@pytest.fixture(scope="session", autouse=True)
def own_folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("NATURALIST_BACKBONES", str(tmp_path_factory.mktemp("home")))
        yield


@pytest.fixture(scope="session")
def models(shared: Path) -> Path:
    """Real weights files; read only."""
    return shared / "models"


@pytest.fixture(scope="session")
def labels(models: Path) -> list[str]:
    """The 1,001 ImageNet classes, background first."""
    return (models / "imagenet_labels_1001.txt").read_text().splitlines()


@pytest.fixture(scope="session")
def fetched_mobilenet(own_folders: None, models: Path) -> backbones.FetchedFile:
    """MobileNet v1 in the tests' home, from the quantised .tflite."""
    return backbones.fetch("mobilenet_v1_050_128", models / TFLITE)


@pytest.fixture(scope="session")
def real_pictures() -> dict[str, NDArray[np.uint8]]:
    """RGB photos that come with scikit-image."""
    names = ("cat", "astronaut", "coffee", "rocket")
    return {name: np.asarray(getattr(skimage.data, name)()) for name in names}
