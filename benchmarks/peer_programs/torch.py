"""A DataLoader loop: Pillow, as many workers as cores, EfficientNet-Lite0 by timm."""

import json
import os
import resource
import sys
import time
from pathlib import Path

sys.path.pop(0)  # this file's folder, in which it is itself named torch

import numpy as np
import timm
import torch
from PIL import Image


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
    model = timm.create_model("tf_efficientnet_lite0", pretrained=False, num_classes=0).eval()
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
