"""fastdup's own feature extraction."""

import json
import resource
import sys
import time
from importlib.metadata import version
from pathlib import Path

sys.path.pop(0)  # this file's folder, in which it is itself named fastdup

import fastdup


def processor_s() -> float:
    """Processor seconds of this process and of its children that have ended."""
    used = [resource.getrusage(w) for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in used)


pictures, out = sys.argv[1], sys.argv[2]
before = processor_s()
start = time.perf_counter()
fastdup.run(pictures, work_dir=out, run_mode=1)
seconds = time.perf_counter() - start
count = len(list(Path(pictures).iterdir()))
print()
found = {"pictures": count, "per_s": count / seconds, "fastdup": version("fastdup")}
print(json.dumps(found | {"processor_ms": 1e3 * (processor_s() - before) / count}))
