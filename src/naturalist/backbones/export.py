"""Making backbones of timm's networks, among them the image towers of CLIP, SigLIP and DINO.

torch and timm are needed once, to write an ONNX file and its descriptor; afterwards the backbone
runs like any other and the extra can be removed.
"""

import json
from pathlib import Path
from typing import Any

from naturalist import artifacts
from naturalist.errors import BackboneError, MissingExtra

_EXAMPLES = 2


def export_timm(
    model: str,
    folder: Path,
    *,
    name: str,
    project_to: int | None = None,
    pretrained: bool = True,
) -> Path:
    """Write a timm network without its head to `folder`, and return its descriptor.

    Pass the descriptor to :func:`~naturalist.backbones.add`. Pictures are resized by ``crop-v3``
    (bilinear), also where timm's recipe says bicubic.

    Args:
        model: timm's name, such as ``vit_base_patch32_clip_224.openai``.
        folder: where to.
        name: the backbone's name here.
        project_to: see the descriptor.
        pretrained: False gives a network with random weights, for trying things out.

    Raises:
        MissingExtra: timm or torch is not installed.
        BackboneError: timm does not know the model, or has no weights for it.
    """
    try:
        import timm
        import torch
    except ImportError:
        raise MissingExtra("timm", "timm") from None
    try:
        network = timm.create_model(model, pretrained=pretrained, num_classes=0).eval()
    except RuntimeError as error:
        raise BackboneError(f"timm cannot make {model}: {error}") from error
    recipe = timm.data.resolve_model_data_config(network)
    channels, height, width = recipe["input_size"]
    if (channels, height) != (3, width):
        raise BackboneError(f"{model} takes {channels} x {height} x {width}, not square RGB")
    folder.mkdir(parents=True, exist_ok=True)
    torch.onnx.export(
        network,
        (torch.zeros(_EXAMPLES, channels, height, width),),
        folder / f"{name}.onnx",
        output_names=["feature"],
        dynamic_shapes=({0: torch.export.Dim("batch")},),
        external_data=False,
        dynamo=True,
        verbose=False,
    )
    return _describe(network, recipe, folder, name, project_to)


def _describe(
    network: Any, recipe: dict[str, Any], folder: Path, name: str, project_to: int | None
) -> Path:
    """Write timm's recipe as a descriptor beside the model."""
    reported: dict[str, Any] = {
        "name": name,
        "file": f"{name}.onnx",
        "side": recipe["input_size"][1],
        "mean": [255 * value for value in recipe["mean"]],
        "scale": [1 / (255 * value) for value in recipe["std"]],
        "resize": "crop-v3",
        "licence": network.pretrained_cfg.get("license") or "unknown",
    }
    if project_to is not None:
        reported["project_to"] = project_to
    descriptor = folder / f"{name}.toml"
    # JSON's strings, numbers and lists of numbers are written the same way in TOML.
    text = "".join(f"{key} = {json.dumps(value)}\n" for key, value in reported.items())
    artifacts.write_bytes(descriptor, text.encode())
    return descriptor
