"""Devices: the asked one or an error, never another one in silence."""

import onnxruntime
import pytest

from naturalist import backbones
from naturalist.backbones import session
from naturalist.errors import BackboneError


@pytest.mark.skipif(
    "CUDAExecutionProvider" in onnxruntime.get_available_providers(), reason="this machine has CUDA"
)
def test_a_device_that_is_not_there_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BackboneError, match="onnxruntime-gpu"):
        backbones.load("efficientnet_lite0", device="cuda")
    monkeypatch.setenv("NATURALIST_DEVICE", "cuda")
    with pytest.raises(BackboneError, match="onnxruntime-gpu"):
        backbones.load("efficientnet_lite0")
    monkeypatch.setenv("NATURALIST_DEVICE", "abacus")
    with pytest.raises(BackboneError, match="abacus"):
        backbones.load("efficientnet_lite0")


def test_the_device_that_runs_is_told() -> None:
    assert backbones.load("efficientnet_lite0", device="cpu").device == "CPUExecutionProvider"


def test_int8_gives_the_same_bits_where_the_processor_has_no_vnni(
    monkeypatch: pytest.MonkeyPatch, real_pictures
) -> None:
    here = backbones.load("efficientnet_lite0_int8")
    batch = here.prepare(real_pictures["cat"])[None]
    monkeypatch.setattr(session, "_has_vnni", lambda: False)
    there = backbones.load("efficientnet_lite0_int8")
    assert there.features(batch).tobytes() == here.features(batch).tobytes()


def test_what_is_no_model_is_refused_in_words() -> None:
    with pytest.raises(BackboneError, match="cannot open the model"):
        session.open_session(b"no model")
