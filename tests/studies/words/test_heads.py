import numpy as np
import onnxruntime
import pytest

from naturalist.backbones import describe
from naturalist.backbones.networks import efficientnet_lite0
from naturalist.backbones.registry import weights_path
from naturalist.errors import BackboneError
from naturalist.studies.words.heads import has_head, head_of
from naturalist.studies.words.methods.top_classes import top_classes


def test_the_head_for_stored_features_gives_nearly_the_logits_of_the_network() -> None:
    spec = describe("efficientnet_lite0")
    data = weights_path(spec.name).read_bytes()
    session = onnxruntime.InferenceSession(
        efficientnet_lite0.model(data, spec, head=True), providers=["CPUExecutionProvider"]
    )
    rng = np.random.default_rng(0)
    # Smooth blobs of colour, which are more like pictures than noise is.
    small = rng.integers(0, 256, (16, 8, 8, 3))
    pictures = small.repeat(16, axis=1).repeat(16, axis=2).astype(np.uint8)
    feature, logits = session.run(["feature", "logits"], {"pictures": pictures})
    head = head_of(spec.name)
    found = feature @ head.weights.T + head.bias
    assert np.corrcoef(found.ravel(), logits.ravel())[0, 1] > 0.9


def test_top_classes_hold_the_largest_probabilities_and_sum_over_chosen_ones() -> None:
    head = head_of("efficientnet_lite0")
    features = np.random.default_rng(1).standard_normal((20, 512)).astype(np.float32) * 3
    every = head.probabilities(features)
    top = top_classes(head, features, kept=50)
    assert (top.classes[:, 0] == every.argmax(axis=1)).all()
    chosen = np.arange(0, 1000, 2)
    exact = every[:, chosen].sum(axis=1)
    kept = np.sort(every, axis=1)[:, -50:].sum(axis=1)
    assert (top.sums(chosen, 1000) <= exact + 1e-3).all()
    assert (top.sums(chosen, 1000) >= exact - (1 - kept) - 1e-2).all()
    means = top.means(np.arange(20), 1000)
    assert means.sum() == pytest.approx(kept.mean(), abs=0.01)


def test_a_backbone_without_a_head_is_named() -> None:
    assert not has_head("colour_histogram")
    with pytest.raises(BackboneError, match="colour_histogram"):
        head_of("colour_histogram")
