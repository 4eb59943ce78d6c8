"""Post-training quantisation of an ONNX network to int8 with NNCF, as QuantizeLinear / DequantizeLinear pairs.

OpenVINO and ONNX Runtime compute such a graph in int8. By default only matrix products are quantised, those of the
transformer: convolutions in int8 cost two to three times as much accuracy for a little speed, and on a CPU without VNNI
OpenVINO's were off by 6 to 18 % where ONNX Runtime's, of the same file, were by 1 %. What follows the last weights
stays in floating point always.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import sys
from collections.abc import Sequence

import numpy as np
import onnx
from numpy.typing import NDArray

from ..errors import EngineError
from ..graphs.half import tail
from ..graphs.static import fold_constants, parse
from ..spec import EngineSpec

# NNCF reports every use to its makers, unless it believes that it runs in a test of theirs.
os.environ.setdefault("NNCF_CI", "1")

import nncf
from nncf.quantization.advanced_parameters import OverflowFix

VERSION = f"nncf {nncf.__version__}"
_CONVOLUTIONS = ("Conv", "ConvTranspose")


def quantize_network(
    data: bytes, spec: EngineSpec, images: Sequence[NDArray[np.uint8]], *, all_layers: bool = False
) -> bytes:
    """The network ``data`` with int8 matrix products (``all_layers``: and convolutions), as the bytes of an ONNX file.

    ``images`` (h, w, 3) are RGB at the network's size. Input and outputs, and what is free in their shapes, stay.
    Weights keep to 7 bits, as CPUs without VNNI add products in 16 bits: with 8 the answer would depend on the CPU (on
    AVX2 twice the error was measured). Raises EngineError where NNCF cannot quantise the graph.
    """
    nncf.set_log_level(logging.ERROR)
    model = parse(data, spec)
    try:
        model, _ = fold_constants(model)  # NNCF does not look through weights that are stored as fp16
        names = [node.name for node in tail(model)]
        ignored = nncf.IgnoredScope(names=names, types=[] if all_layers else list(_CONVOLUTIONS), validate=False)
        # Its progress bars are for terminals.
        with contextlib.nullcontext() if sys.stdout.isatty() else contextlib.redirect_stdout(io.StringIO()):
            quantized = nncf.quantize(
                model,
                nncf.Dataset(list(images), lambda image_hw3: {spec.input_name: image_hw3[None]}),
                model_type=nncf.ModelType.TRANSFORMER,
                subset_size=len(images),
                ignored_scope=ignored,
                advanced_parameters=nncf.AdvancedQuantizationParameters(overflow_fix=OverflowFix.ENABLE),
            )
        onnx.checker.check_model(quantized)
    except Exception as error:
        raise EngineError(f"{spec.artifact} cannot be quantised: {' '.join(str(error).split())}") from error
    if not any(node.op_type == "QuantizeLinear" for node in quantized.graph.node):
        raise EngineError(f"{spec.artifact} holds nothing that could be quantised")
    result: bytes = quantized.SerializeToString()
    return result
