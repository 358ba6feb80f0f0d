"""The networks: a multi-layer perceptron and a small convolutional network, as functions of named tensors.

A network is a table of tensor shapes and a forward function over float64 tensors; it holds no state, so the same
parameters give the same logits wherever they come from. Normalisation is by group, never by batch: batch statistics
would be hidden state that no digest covers and that averaging across participants mixes up.

Initial weights come from Philox integers by tensor name and seed: uniform in ±sqrt(6 / fan-in) (He et al. 2015),
rounded to the grid. Multiplication, division and square root are exact to the last bit in IEEE 754, so every machine
starts from the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from poft.protocol.errors import ConfigError

from .fixed_point import Parameters, round_to_grid
from .philox import raw_integers, stream_key

if TYPE_CHECKING:
    from torch import Tensor

    Forward = Callable[[Mapping[str, Tensor], Tensor], Tensor]

MLP_HIDDEN = 64
CNN_CHANNELS = (8, 16)
CNN_GROUPS = 4
"""Groups of a GroupNorm: 2 and 4 channels each."""


@dataclass(frozen=True, slots=True)
class Network:
    """Shapes of the named tensors, in name order, and the function from (tensors, batch of samples) to logits."""

    name: str
    input_shape: tuple[int, ...]
    """Shape of one sample: (channels, height, width)."""
    classes: int
    shapes: Mapping[str, tuple[int, ...]]
    forward: Forward

    @property
    def size(self) -> int:
        """Number of parameters."""
        return sum(int(np.prod(shape)) for shape in self.shapes.values())


def build(name: str, input_shape: tuple[int, ...], classes: int) -> Network:
    """The network of this name for samples of this shape; an unknown name is a `ConfigError`."""
    builders = {"mlp": _mlp, "cnn": _cnn}
    if name not in builders:
        raise ConfigError(f"unknown network {name!r}", f"known: {', '.join(sorted(builders))}")
    shapes, forward = builders[name](input_shape, classes)
    return Network(name, input_shape, classes, {key: shapes[key] for key in sorted(shapes)}, forward)


def initial_parameters(network: Network, seed: int) -> Parameters:
    """The start of training: weights from Philox by tensor name and seed, norm gains one, biases zero."""
    parameters: Parameters = {}
    for name, shape in network.shapes.items():
        count = int(np.prod(shape))
        if name.endswith(".bias"):
            values = np.zeros(count)
        elif len(shape) == 1:
            values = np.ones(count)
        else:
            raw = raw_integers(stream_key("initial", seed, name), 0, count)
            # The upper 53 bits are a float64 in [0, 1) exactly.
            uniform = (raw >> np.uint64(11)).astype(np.float64) * 2.0**-53
            values = (2.0 * uniform - 1.0) * np.sqrt(6.0 / (count // shape[0]))
        parameters[name] = round_to_grid(name, values).reshape(shape)
    return parameters


def _mlp(input_shape: tuple[int, ...], classes: int) -> tuple[dict[str, tuple[int, ...]], Forward]:
    inputs = int(np.prod(input_shape))
    shapes: dict[str, tuple[int, ...]] = {
        "hidden.weight": (MLP_HIDDEN, inputs),
        "hidden.bias": (MLP_HIDDEN,),
        "output.weight": (classes, MLP_HIDDEN),
        "output.bias": (classes,),
    }

    def forward(tensors: Mapping[str, Tensor], samples: Tensor) -> Tensor:
        from torch.nn.functional import linear, relu

        hidden = relu(linear(samples.flatten(1), tensors["hidden.weight"], tensors["hidden.bias"]))
        return linear(hidden, tensors["output.weight"], tensors["output.bias"])

    return shapes, forward


def _cnn(input_shape: tuple[int, ...], classes: int) -> tuple[dict[str, tuple[int, ...]], Forward]:
    channels, height, width = input_shape
    first, second = CNN_CHANNELS
    shapes: dict[str, tuple[int, ...]] = {
        "conv1.weight": (first, channels, 3, 3),
        "norm1.weight": (first,),
        "norm1.bias": (first,),
        "conv2.weight": (second, first, 3, 3),
        "norm2.weight": (second,),
        "norm2.bias": (second,),
        "output.weight": (classes, second * (height // 4) * (width // 4)),
        "output.bias": (classes,),
    }

    def forward(tensors: Mapping[str, Tensor], samples: Tensor) -> Tensor:
        from torch.nn.functional import avg_pool2d, conv2d, group_norm, linear, relu

        maps = samples
        for layer in ("1", "2"):
            maps = conv2d(maps, tensors[f"conv{layer}.weight"], padding=1)
            maps = group_norm(maps, CNN_GROUPS, tensors[f"norm{layer}.weight"], tensors[f"norm{layer}.bias"])
            maps = avg_pool2d(relu(maps), 2)
        return linear(maps.flatten(1), tensors["output.weight"], tensors["output.bias"])

    return shapes, forward
