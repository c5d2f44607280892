"""Running an ONNX model on the CPU: no spinning threads, no telemetry, the same bits each time."""

from collections.abc import Callable

import numpy as np
import onnxruntime as ort

from naturalist.backbones.spec import GRAPH_INPUT, BackboneSpec, Features, check_batch
from naturalist.images import Pixels

_ERRORS_ONLY = 3


def cpu_session(model: bytes, threads: int) -> ort.InferenceSession:
    """Open a model in ONNX Runtime's CPU provider."""
    ort.disable_telemetry_events()
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _ERRORS_ONLY
    options.use_deterministic_compute = True
    # A thread that spins while it waits takes the core from the worker that decodes.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])


class OnnxBackbone:
    """A backbone whose network is an ONNX model with a ``feature`` output."""

    def __init__(
        self,
        spec: BackboneSpec,
        model: bytes,
        prepare: Callable[[Pixels, int], Pixels],
        threads: int = 1,
    ) -> None:
        self.spec = spec
        self._prepare = prepare
        self._session = cpu_session(model, threads)

    def prepare(self, pixels: Pixels) -> Pixels:
        """See :meth:`Backbone.prepare`."""
        return self._prepare(pixels, self.spec.side)

    def features(self, batch: Pixels) -> Features:
        """See :meth:`Backbone.features`."""
        check_batch(batch, self.spec)
        if not len(batch):
            return np.empty((0, self.spec.dim), np.float32)
        (features,) = self._session.run(["feature"], {GRAPH_INPUT: batch})
        return np.asarray(features, np.float32)
