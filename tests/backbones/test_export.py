"""timm's networks become backbones that answer as they do in torch."""

import sys
from pathlib import Path

import numpy as np
import pytest

from naturalist import backbones
from naturalist.backbones.export import export_timm
from naturalist.errors import BackboneError, MissingExtra


def test_without_timm_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(MissingExtra, match=r"naturalist\[timm\]"):
        export_timm("resnet18", tmp_path, name="mine")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("model", "dim", "project_to"),
    [("resnet18", 512, None), ("vit_tiny_patch16_224", 128, 128)],
)
def test_an_exported_network_gives_what_torch_gives(
    tmp_path: Path, model: str, dim: int, project_to: int | None
) -> None:
    timm = pytest.importorskip("timm", reason="timm and torch are not installed")
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    descriptor = export_timm(model, tmp_path, name="mine", project_to=project_to, pretrained=False)
    spec = backbones.add(descriptor, home=tmp_path / "home")
    assert (spec.dim, spec.side, spec.fit) == (dim, 224, "crop")
    backbone = backbones.load("mine", home=tmp_path / "home")
    batch = np.random.default_rng(0).integers(0, 256, (3, 224, 224, 3), np.uint8)
    torch.manual_seed(0)
    network = timm.create_model(model, pretrained=False, num_classes=0).eval()
    recipe = timm.data.resolve_model_data_config(network)
    pixels = (batch / 255 - np.array(recipe["mean"])) / np.array(recipe["std"])
    with torch.inference_mode():
        inputs = torch.from_numpy(pixels.transpose(0, 3, 1, 2).astype(np.float32))
        expected = network(inputs).numpy()
    if project_to is not None:
        expected = expected @ np.load(tmp_path / "home" / "mine" / "projection.npy").T
    np.testing.assert_allclose(backbone.features(batch), expected, rtol=1e-3, atol=1e-3)


@pytest.mark.filterwarnings("ignore")
def test_a_model_that_timm_does_not_know_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("timm", reason="timm and torch are not installed")
    with pytest.raises(BackboneError, match="timm cannot make"):
        export_timm("no_such_network", tmp_path, name="mine")
