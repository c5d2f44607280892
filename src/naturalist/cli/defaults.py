"""Defaults and choices of the library, repeated so that `--help` imports none of it.

`tests/cli/test_help.py` compares each with its original.
"""

from typing import Literal

CONFIG_NAME = "naturalist.toml"
BACKBONE = "efficientnet_lite0_int8"
DOWNLOADS = 8
THUMBNAILS = 20_000
STALE_UPLOAD_DAYS = 7
KEPT_SNAPSHOTS = 30
PRUNE_GRACE_S = 604800.0
EARLIER = "earlier"

Executor = Literal["processes", "ray"]
Keep = Literal["largest", "sharpest", "first", "per-source"]
OUTCOMES = ("accepted", "duplicate", "conflict", "refused", "unpacked", "relabelled")
QUALITY_CHECKS = ("dark", "bright", "blank", "blurred", "tiny", "odd-shape", "low-information")
