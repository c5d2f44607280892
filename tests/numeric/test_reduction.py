import numpy as np
import pytest

from naturalist.numeric.reduction import fit_reduction


def test_axes_hold_less_of_the_variance_of_rows_that_came_later() -> None:
    rng = np.random.default_rng(0)
    flat = rng.normal(size=(400, 20)).astype(np.float32)
    flat[:, 3:] *= 0.1
    reduction = fit_reduction([flat], 3, unit=False)
    assert reduction.with_share_of(flat).explained == pytest.approx(reduction.explained, abs=1e-4)
    later = rng.normal(size=(400, 20)).astype(np.float32)
    found = reduction.with_share_of(np.concatenate([flat, later]))
    assert found.explained < 0.5 < 0.9 < reduction.explained
    assert f"explain {found.explained:.1%}" in found.space
