"""A DataLoader loop: Pillow, as many workers as cores, EfficientNet-Lite0 as torch runs it."""

import json
import os
import resource
import sys
import time
from pathlib import Path

sys.path.pop(0)  # this file's folder, in which it is itself named torch

import numpy as np
import torch
from PIL import Image
from torch import nn

BLOCKS = (
    (1, 16, 1, 1, 3), (6, 24, 2, 2, 3), (6, 40, 2, 2, 5), (6, 80, 3, 2, 3),
    (6, 112, 3, 1, 5), (6, 192, 4, 2, 5), (6, 320, 1, 1, 3),
)  # fmt: skip
"""Expansion, channels, repeats, stride and kernel; source: arXiv:1905.11946, table 1, and the
rules of the Lite variants (no squeeze-and-excite, ReLU6, stem and head not scaled)."""


def layer(
    inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1
) -> nn.Sequential:
    """Convolution, batch norm and clamp."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU6(),
    )


class Block(nn.Module):
    """Expand, filter each channel, project; added to the input where shapes allow it."""

    def __init__(self, inputs: int, outputs: int, expand: int, kernel: int, stride: int) -> None:
        super().__init__()
        inner = inputs * expand
        first = [layer(inputs, inner, 1)] if expand > 1 else []
        last = [nn.Conv2d(inner, outputs, 1, bias=False), nn.BatchNorm2d(outputs)]
        self.layers = nn.Sequential(*first, layer(inner, inner, kernel, stride, inner), *last)
        self.adds = inputs == outputs and stride == 1

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        made = self.layers(batch)
        return batch + made if self.adds else made


def lite0() -> nn.Sequential:
    """EfficientNet-Lite0 up to its 1,280 pooled features; weights do not change the speed."""
    layers: list[nn.Module] = [layer(3, 32, 3, 2)]
    channels = 32
    for expand, outputs, repeats, stride, kernel in BLOCKS:
        for at in range(repeats):
            layers.append(Block(channels, outputs, expand, kernel, stride if at == 0 else 1))
            channels = outputs
    return nn.Sequential(*layers, layer(320, 1280, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())


class Pictures(torch.utils.data.Dataset):
    """Pictures padded to 128 px."""

    def __init__(self, folder: Path) -> None:
        self.paths = sorted(folder.iterdir())

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, at: int) -> torch.Tensor:
        image = Image.open(self.paths[at])
        image.draft("RGB", (128, 128))
        image = image.convert("RGB")
        image.thumbnail((128, 128))
        canvas = np.zeros((128, 128, 3), np.uint8)
        canvas[: image.height, : image.width] = np.asarray(image)
        return torch.from_numpy(canvas).permute(2, 0, 1).float().sub(127).div(128)


def processor_s() -> float:
    """Processor seconds of this process and of its children that have ended."""
    used = [resource.getrusage(w) for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in used)


def main() -> None:
    """Measure and print JSON."""
    cores = os.cpu_count() or 1
    # Random weights let values fade away layer by layer; real ones do not.
    torch.set_flush_denormal(True)
    model = lite0().eval()
    loader = torch.utils.data.DataLoader(Pictures(Path(sys.argv[1])), 32, num_workers=cores)
    done = 0
    before = processor_s()
    start = time.perf_counter()
    with torch.inference_mode():
        for batch in loader:
            done += len(model(batch))
    seconds = time.perf_counter() - start
    found = {"pictures": done, "per_s": done / seconds, "torch": torch.__version__}
    print(json.dumps(found | {"processor_ms": 1e3 * (processor_s() - before) / done}))


if __name__ == "__main__":
    main()
