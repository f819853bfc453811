"""Residual networks in PyTorch, of any widths, with their own or with hashed kernels, as `network_plan` describes them.

Weights come and go in the layout and under the names of the Keras models; here kernels lie as the device reads them
best, and gradients as they do.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch.nn import functional

# Of batch normalisation: as in the Keras models.
EPSILON, FORGETTING = 1e-3, 0.1
# Standard deviation of a normal that is cut off at two of them.
TRUNCATED = 0.87962566103423978


class TorchResnet:
    """A residual network that answers pixels of 0 to 255 with logits.

    Args:
        plan: one network of the file that `network_plan` writes.
        device: where its tensors are.
        dtype: of activations and of the kernels' copies; parameters are float32.
        start: parameters and statistics to begin with, by name; fresh ones where None.

    Attributes:
        dtype: as given.
        parameters: trained tensors by name.
        statistics: of batch normalisation, by name.
    """

    def __init__(
        self,
        plan: Mapping[str, Any],
        device: torch.device,
        dtype: torch.dtype,
        start: Mapping[str, np.ndarray] | None = None,
    ) -> None:
        self._layers, self._blocks, self._pool = plan["layers"], int(plan["blocks"]), plan.get("pool")
        self.dtype = dtype
        chance = torch.Generator().manual_seed(int(plan["seed"]))
        self.parameters: dict[str, torch.Tensor] = {}
        self.statistics: dict[str, torch.Tensor] = {}
        for name, layer in self._layers.items():
            self._add(name, layer, chance)
        if self._pool:
            self._add_pool(chance)
        if start is not None:
            for held in (self.parameters, self.statistics):
                held.update({name: torch.tensor(start[name]) for name in held})
        self.parameters = {name: _laid(one.to(device)).requires_grad_() for name, one in self.parameters.items()}
        self.statistics = {name: one.to(device) for name, one in self.statistics.items()}
        if self._pool and self._pool["kind"] == "plain":
            self._choices = torch.tensor(_choices(self._pool), device=device)

    def logits(self, pixels: torch.Tensor, training: bool) -> torch.Tensor:
        """Float32 `[batch, classes]` of `[batch, 3, height, width]`; training moves the statistics."""
        kernels = self._kernels()
        x = functional.relu(self._convolution("stem", pixels / 127.5 - 1, kernels, training))
        for block in range(1, self._blocks + 1):
            name = f"block_{block}"
            shortcut = x
            if f"{name}_shortcut" in self._layers:
                shortcut = self._convolution(f"{name}_shortcut", x, kernels, training)
            if f"{name}_second" in self._layers:
                x = functional.relu(self._convolution(f"{name}_first", x, kernels, training))
                x = functional.relu(self._convolution(f"{name}_second", x, kernels, training) + shortcut)
            else:
                # The search has cut the branch.
                x = functional.relu(shortcut)
        return x.float().mean(dim=(2, 3)) @ kernels["logits"] + self.parameters["logits/bias"]

    def weights(self) -> dict[str, np.ndarray]:
        """Parameters and statistics by name."""
        held = {name: one.detach().cpu() for name, one in (self.parameters | self.statistics).items()}
        return {name: (one.permute(2, 3, 1, 0) if one.ndim == 4 else one).numpy() for name, one in held.items()}

    def _add(self, name: str, layer: Mapping[str, Any], chance: torch.Generator) -> None:
        shape = layer["kernel"]
        if self._pool:
            self.parameters[f"{name}/scale"] = torch.ones(())
        elif name == "logits":
            bound = math.sqrt(6 / sum(shape))
            self.parameters[f"{name}/kernel"] = (2 * torch.rand(shape, generator=chance) - 1) * bound
        else:
            spread = math.sqrt(2 / math.prod(shape[:-1])) / TRUNCATED
            kernel = torch.nn.init.trunc_normal_(torch.empty(shape), generator=chance, a=-2, b=2)
            self.parameters[f"{name}/kernel"] = kernel * spread
        if name == "logits":
            self.parameters["logits/bias"] = torch.zeros(shape[-1])
            return
        for kind, value, held in (
            ("gamma", 1.0, self.parameters),
            ("beta", 0.0, self.parameters),
            ("moving_mean", 0.0, self.statistics),
            ("moving_variance", 1.0, self.statistics),
        ):
            held[f"{name}/{kind}"] = torch.full((shape[-1],), value)

    def _add_pool(self, chance: torch.Generator) -> None:
        pool = self._pool
        if pool["kind"] == "plain":
            size = pool["size"] * pool["hashes"]
            self.parameters["pool"] = torch.randn(size, generator=chance) * pool["hashes"] ** -0.5
            return
        spread = pool["hashes"] ** -0.25
        self.parameters["u"] = torch.randn(pool["rows"], pool["hashes"], generator=chance) * spread
        self.parameters["v"] = torch.randn(pool["hashes"], pool["columns"], generator=chance) * spread

    def _kernels(self) -> dict[str, torch.Tensor]:
        if not self._pool:
            return {name: self.parameters[f"{name}/kernel"] for name in self._layers}
        if self._pool["kind"] == "plain":
            weights = self.parameters["pool"][self._choices].sum(dim=0)
        else:
            weights = (self.parameters["u"] @ self.parameters["v"]).reshape(-1)
        found = {}
        for name, layer in self._layers.items():
            own = weights[layer["offset"] :][: math.prod(layer["kernel"])].reshape(layer["kernel"])
            found[name] = _laid(own * layer["scale"] * self.parameters[f"{name}/scale"])
        return found

    def _convolution(
        self, name: str, x: torch.Tensor, kernels: Mapping[str, torch.Tensor], training: bool
    ) -> torch.Tensor:
        kernel = kernels[name].to(self.dtype, memory_format=torch.channels_last)
        x = functional.conv2d(*_padded(x, kernel, self._layers[name]["stride"]))
        return functional.batch_norm(
            x,
            self.statistics[f"{name}/moving_mean"],
            self.statistics[f"{name}/moving_variance"],
            self.parameters[f"{name}/gamma"],
            self.parameters[f"{name}/beta"],
            training,
            FORGETTING,
            EPSILON,
        )


def _laid(kernel: torch.Tensor) -> torch.Tensor:
    """Height, width, inputs, outputs of a convolution to outputs, inputs, height, width, inputs next to each other."""
    return kernel.permute(3, 2, 0, 1).contiguous(memory_format=torch.channels_last) if kernel.ndim == 4 else kernel


def _padded(
    x: torch.Tensor, kernel: torch.Tensor, stride: int
) -> tuple[torch.Tensor, torch.Tensor, None, int, tuple[int, int]]:
    """Arguments of a convolution that pads as TensorFlow does: an odd pixel goes to the end."""
    before, odd = [], []
    for size, extent in zip(x.shape[2:], kernel.shape[2:], strict=True):
        total = max((-(-size // stride) - 1) * stride + extent - size, 0)
        before.append(total // 2)
        odd.append(total - 2 * (total // 2))
    if any(odd):
        x = functional.pad(x, (before[1], before[1] + odd[1], before[0], before[0] + odd[0]))
        before = [0, 0]
    return x, kernel, None, stride, (before[0], before[1])


def _choices(pool: Mapping[str, Any]) -> np.ndarray:
    """As the Keras pool draws them."""
    chosen = np.random.default_rng(pool["seed"]).integers(pool["size"], size=(pool["hashes"], pool["weights"]))
    return chosen + pool["size"] * np.arange(pool["hashes"])[:, np.newaxis]
