"""Running an ONNX model: no spinning threads, no telemetry, the same bits each time."""

import functools
import logging
import os
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import onnxruntime as ort
from onnxruntime.capi import onnxruntime_pybind11_state as native

from naturalist.backbones.spec import GRAPH_INPUT, BackboneSpec, Features, check_batch
from naturalist.errors import BackboneError
from naturalist.images import Pixels

logger = logging.getLogger(__name__)

Device = Literal["cpu", "cuda"]

DEVICE_VARIABLE = "NATURALIST_DEVICE"

_PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
_ERRORS_ONLY = 3
RUNTIME_ERRORS = (
    native.Fail,
    native.InvalidArgument,
    native.InvalidGraph,
    native.InvalidProtobuf,
    native.NoModel,
    native.NotImplemented,
    native.RuntimeException,
)


def open_session(model: bytes, *, threads: int = 1, device: Device = "cpu") -> ort.InferenceSession:
    """Open a model in ONNX Runtime, on the asked device and no other.

    Raises:
        BackboneError: the model cannot be opened, or the device is not there.
    """
    ort.disable_telemetry_events()
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _ERRORS_ONLY
    options.use_deterministic_compute = True
    # A thread that spins while it waits takes the core from the worker that decodes.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if not _has_vnni():
        # int8 would saturate and give other vectors than elsewhere: take the slower exact way.
        options.add_session_config_entry("session.x64quantprecision", "1")
    provider = _PROVIDERS[device]
    if provider not in ort.get_available_providers():
        raise BackboneError(_no_device(device))
    try:
        session = ort.InferenceSession(model, options, providers=[provider])
    except RUNTIME_ERRORS as error:
        raise BackboneError(f"ONNX Runtime cannot open the model: {error}") from error
    running = session.get_providers()[0]
    if running != provider:
        raise BackboneError(_no_device(device))
    logger.info("the backbone runs on %s (%s)", device, running)
    return session


def resolve_device(device: Device | None) -> Device:
    """Return `device`, or what $NATURALIST_DEVICE says, or the CPU.

    Raises:
        BackboneError: the variable says something else than cpu or cuda.
    """
    if device is not None:
        return device
    match os.environ.get(DEVICE_VARIABLE, "cpu"):
        case "cpu":
            return "cpu"
        case "cuda":
            return "cuda"
        case other:
            raise BackboneError(f"{DEVICE_VARIABLE} must be cpu or cuda, not {other!r}")


def run_once(model: bytes, pictures: Pixels) -> Features:
    """Give the ``feature`` output of a model for a batch.

    Raises:
        BackboneError: the model cannot be opened or fails.
    """
    session = open_session(model)
    try:
        (features,) = session.run(["feature"], {GRAPH_INPUT: pictures})
    except RUNTIME_ERRORS as error:
        raise BackboneError(f"the model fails on {len(pictures)} pictures: {error}") from error
    return np.asarray(features)


class OnnxBackbone:
    """A backbone whose network is an ONNX model with a ``feature`` output.

    ``device`` names the provider that really runs it.
    """

    def __init__(
        self,
        spec: BackboneSpec,
        model: bytes,
        prepare: Callable[[Pixels, int], Pixels],
        threads: int = 1,
        device: Device = "cpu",
    ) -> None:
        self.spec = spec
        self._prepare = prepare
        self._session = open_session(model, threads=threads, device=device)
        self.device: str = self._session.get_providers()[0]

    def prepare(self, pixels: Pixels) -> Pixels:
        """See :meth:`Backbone.prepare`."""
        return self._prepare(pixels, self.spec.side)

    def features(self, batch: Pixels) -> Features:
        """See :meth:`Backbone.features`."""
        check_batch(batch, self.spec)
        if not len(batch):
            return np.empty((0, self.spec.dim), np.float32)
        try:
            (features,) = self._session.run(["feature"], {GRAPH_INPUT: batch})
        except RUNTIME_ERRORS as error:
            if "alloc" in str(error):
                raise MemoryError(f"the backbone needs more: {error}") from error
            raise
        return np.asarray(features, np.float32)


@functools.cache
def _has_vnni() -> bool:
    """Whether the processor multiplies uint8 by int8 without saturating (x86 VNNI, any ARM)."""
    if platform.machine() not in ("x86_64", "AMD64"):
        return True
    try:
        flags = Path("/proc/cpuinfo").read_text()
    except OSError:
        return False
    return "avx512_vnni" in flags or "avx_vnni" in flags


def _no_device(device: Device) -> str:
    return (
        f"the device {device} cannot be used: this ONNX Runtime has "
        f"{', '.join(ort.get_available_providers())}. For cuda, on a machine with NVIDIA's driver: "
        "pip uninstall onnxruntime && pip install onnxruntime-gpu"
    )
