"""fastdup's own feature extraction."""

import json
import sys
import time
from importlib.metadata import version
from pathlib import Path

sys.path.pop(0)  # this file's folder, in which it is itself named fastdup

import fastdup

pictures, out = sys.argv[1], sys.argv[2]
start = time.perf_counter()
fastdup.run(pictures, work_dir=out, run_mode=1)
seconds = time.perf_counter() - start
count = len(list(Path(pictures).iterdir()))
print()
print(json.dumps({"pictures": count, "per_s": count / seconds, "fastdup": version("fastdup")}))
