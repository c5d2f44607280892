import numpy as np
import pytest
from tests.numeric.mixtures import mixture

from naturalist.errors import MissingExtra
from naturalist.studies.maps.methods import layouts
from naturalist.studies.maps.methods import quality as map_quality
from naturalist.studies.maps.methods.drawing import draw
from naturalist.studies.maps.options import DrawingOptions

METHODS = sorted(layouts.LAYOUTS)


def installed(method: str) -> bool:
    try:
        layouts.check_installed(method)
    except MissingExtra:
        return False
    return True


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("method", METHODS)
def test_each_method_keeps_neighbours_and_repeats(method: str, dims: int) -> None:
    if not installed(method):
        pytest.skip(f"{method} is not installed: pip install 'naturalist[{method}]'")
    points, _ = mixture(600, clusters=6)
    options = DrawingOptions(dims=dims, method=method, sample=400)
    first, again = (draw(lambda: [points], len(points), options) for _ in range(2))
    assert first.coordinates.shape == (600, dims)
    assert np.array_equal(first.coordinates, again.coordinates)
    assert map_quality.measure(points, first.coordinates).trustworthiness > 0.9


@pytest.mark.parametrize("method", METHODS)
def test_a_method_that_is_not_installed_is_said_before_anything_is_read(
    method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)

    def unread() -> list[np.ndarray]:
        raise AssertionError("the features were read")

    with pytest.raises(MissingExtra, match=rf"pip install 'naturalist\[{method}\]'"):
        draw(unread, 100, DrawingOptions(method=method))
