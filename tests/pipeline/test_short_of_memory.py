"""A run without memory for a picture ends, says so, and refuses nothing; with memory it goes on."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.pipeline.collections_of_pictures import Collection, Sabotage, write_collection

pytestmark = pytest.mark.usefixtures("with_workers")

_SIZE = """
import duckdb, re
import naturalist.cli.app, naturalist.pipeline.runner
from pathlib import Path
status = Path("/proc/self/status").read_text()
print(int(re.search(r"VmPeak:\\s+(\\d+)", status)[1]) * 1024)
"""


def write_blocks(path: Path, side: int, seed: int) -> None:
    """A picture of `side` x `side` pixels, in blocks: small as a file, large in memory."""
    blocks = np.random.default_rng(seed).integers(0, 256, (side // 100, side // 100, 3), np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.kron(blocks, np.ones((100, 100, 1), np.uint8))).save(path)


@pytest.fixture
def large(tmp_path: Path) -> Collection:
    """Two categories, one picture of which has 64 million pixels."""
    sources = {}
    for seed, name in enumerate(("plant", "animal")):
        folder = tmp_path / "sources" / name
        for k in range(3):
            write_blocks(folder / f"{k}.png", 200, 10 * seed + k)
        sources[name] = {"photos": folder}
    write_blocks(tmp_path / "sources/plant/large.png", 8000, 100)
    return write_collection(tmp_path / "collection", sources, more="[verify]\nsample_share = 0.0")


def memory_limit(extra_bytes: int) -> list[str]:
    """What to put before a command that may take so much more than its programs take alone."""
    asked = subprocess.run(
        [sys.executable, "-c", _SIZE], capture_output=True, text=True, check=True
    )
    return ["prlimit", f"--as={int(asked.stdout) + extra_bytes}"]


def test_what_had_no_memory_is_done_when_there_is_some(large: Collection) -> None:
    assert large.call("ingest").code == 0
    ran = large.call("extract", "--json", wrapper=memory_limit(120_000_000))
    assert ran.code == 10, ran.err
    assert ran.json["error"]["type"] == "MemoryShort"
    assert re.search("no memory left while extracting plant_id_4", ran.err)
    assert "Traceback" not in ran.err
    assert large.ledger(outcome="refused") == []
    large.run()
    assert large.ledger(outcome="refused") == []
    assert large.status()["plant"]["table_rows"] == 4


def test_a_worker_that_the_system_kills_again_and_again_blames_no_picture(
    large: Collection,
) -> None:
    """As the kernel does where memory is short: a decoder that crashes ends otherwise."""
    ran = large.run(code=10, sabotage=Sabotage(files={"/plant_id_2.": "killed"}))
    assert "plant_id_2 was killed twice" in ran.err
    assert large.ledger(outcome="refused") == []
    large.run()
    assert large.status()["plant"]["table_rows"] == 4
