"""How the weights of an exported graph are stored: float32 as they are, float16, or int8 where it saves most.

float16 rounds every tensor of two dimensions or more. int8 rounds the matrices of the recurrences and of the subsampling's
projection, all but a hundredth of the parameters, to 255 levels an output; the rest is stored as for float16: there is
nothing to save, and rounding the convolutions changed probabilities more than rounding any of the others did.
"""

import torch
from torch import Tensor

from speechrnn.nn.model import CTCModel

DTYPES = ("float16", "float32", "int8")
INT8_PARTS = ("weight_ih_l0", "weight_hh_l0", "projection.weight")


def int8_rows(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """(..., outputs, inputs) float32 -> whole numbers from -127 to 127 of the same shape as int8, and the float32 scales
    (..., outputs, 1) that they are multiplied with."""
    scales = matrix.abs().amax(dim=-1, keepdim=True) / 127
    scales = torch.where(scales > 0, scales, 1.0)
    return (matrix / scales).round().to(torch.int8), scales


def round_weights(model: CTCModel, dtype: str) -> None:
    """Round the weights in place to what a graph of that type holds of them."""
    if dtype == "float32":
        return
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if dtype == "int8" and name.endswith(INT8_PARTS):
                values, scales = int8_rows(parameter)
                parameter.copy_(values * scales)
            elif parameter.dim() >= 2:
                parameter.copy_(parameter.half())
