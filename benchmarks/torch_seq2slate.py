"""The seq2slate model and its training step written plainly in PyTorch, as a process that answers over its pipe.

`benchmarks.seq2slate_training` starts this module with another interpreter, one that has PyTorch; apart from that
only the standard library is needed. A message is one line of JSON, which may announce arrays (`name`,
`dtype`, `shape`), followed by their bytes; the answer is one line of JSON. The commands are the methods of
`Worker`.
"""

from __future__ import annotations

import json
import math
import sys
import time
from typing import Any, BinaryIO

import torch
from torch import nn

from benchmarks.peak_memory import PeakMemory

MASKED_LOGIT = -1e9
BASELINE_DECAY = 0.99


class TorchSeq2Slate(nn.Module):
    """The encoder, the pointer decoder and nothing else; parameters are named as the message names them."""

    def __init__(self, weights: dict[str, torch.Tensor], dropout: float) -> None:
        super().__init__()
        features, width = weights["encoder_kernel"].shape
        hidden = width // 4
        self.encoder, self.decoder = nn.LSTM(features, hidden, batch_first=True), nn.LSTMCell(features, hidden)
        self.encoder_projection = nn.Linear(hidden, hidden, bias=False)
        self.decoder_projection = nn.Linear(hidden, hidden, bias=False)
        self.go, self.v = nn.Parameter(weights["go"]), nn.Parameter(weights["v"])
        self.dropout = nn.Dropout(dropout)
        with torch.no_grad():
            for name, parameter in self.trained().items():
                parameter.copy_(weights[name].T if weights[name].ndim == 2 else weights[name])
            # PyTorch keeps two biases a cell where one is meant: the second stays zero.
            for second in (self.encoder.bias_hh_l0, self.decoder.bias_hh):
                second.zero_().requires_grad_(False)

    def trained(self) -> dict[str, nn.Parameter]:
        """The parameters that both sides have."""
        return {
            "encoder_kernel": self.encoder.weight_ih_l0,
            "encoder_recurrent": self.encoder.weight_hh_l0,
            "encoder_bias": self.encoder.bias_ih_l0,
            "decoder_kernel": self.decoder.weight_ih,
            "decoder_recurrent": self.decoder.weight_hh,
            "decoder_bias": self.decoder.bias_ih,
            "encoder_projection": self.encoder_projection.weight,
            "decoder_projection": self.decoder_projection.weight,
            "go": self.go,
            "v": self.v,
        }

    def encode(self, features: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Codes `[batch, list_size, rho]` and the state after each list's last item."""
        if bool(mask.all()):
            codes, (hidden, cell) = self.encoder(features)
            return codes, hidden[0], cell[0]
        # Steps of a cell that keep the state at padding: measured faster here than packed sequences, whose
        # backward pass takes four times as long for lists of 100.
        hidden = cell = features.new_zeros(len(features), self.encoder.hidden_size)
        parameters = [parameter for name, parameter in self.encoder.named_parameters()]
        outputs = []
        for position in range(features.shape[1]):
            stepped, cell_stepped = torch.lstm_cell(features[:, position], (hidden, cell), *parameters)
            present = mask[:, position, None]
            hidden, cell = torch.where(present, stepped, hidden), torch.where(present, cell_stepped, cell)
            outputs.append(hidden)
        return torch.stack(outputs, dim=1), hidden, cell

    def forward(
        self, features: torch.Tensor, mask: torch.Tensor, steps: int, sample: bool, path: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Path `[batch, steps]` (given, drawn or greedy), masked logits, what remained `[batch, steps, list_size]`."""
        features = self.dropout(features)
        codes, hidden, cell = self.encode(features, mask)
        projected = self.encoder_projection(codes)
        inputs, remaining = self.go.expand(len(features), -1), mask
        rows, orders, logits, remained = torch.arange(len(features)), [], [], []
        for step in range(steps):
            hidden, cell = self.decoder(inputs, (hidden, cell))
            scores = torch.tanh(projected + self.decoder_projection(hidden)[:, None]) @ self.v
            scores = scores.masked_fill(~remaining, MASKED_LOGIT)
            if path is not None:
                chosen = path[:, step].clamp(min=0)
            elif sample:
                gumbel = -torch.log(-torch.log(torch.rand_like(scores).clamp(min=1e-20)))
                chosen = (scores.detach() + gumbel).masked_fill(~remaining, -math.inf).argmax(dim=1)
            else:
                chosen = scores.detach().argmax(dim=1)
            orders.append(chosen)
            logits.append(scores)
            remained.append(remaining)
            inputs = features[rows, chosen]
            remaining = remaining.scatter(1, chosen[:, None], False)
        return torch.stack(orders, dim=1), torch.stack(logits, dim=1), torch.stack(remained, dim=1)


class TorchTraining:
    """One training mode's step: the path, the objective with its moving baseline, Adam."""

    def __init__(self, model: TorchSeq2Slate, settings: dict[str, Any]) -> None:
        self.model, self.settings = model, settings
        self.parameters = list(model.trained().values())
        self.optimizer = torch.optim.Adam(self.parameters, lr=settings["learning_rate"], eps=1e-7)
        self.baseline: torch.Tensor | None = None
        self.forward = torch.compile(model) if settings["compiled"] else model

    def step(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        """Update the weights on one batch."""
        mode = self.settings["training"]
        self.model.train(mode != "reinforce")
        self.optimizer.zero_grad(set_to_none=True)
        surrogate, value = self.objective(batch, None)
        total = surrogate.mean()
        if mode != "reinforce":
            total = total + self.settings["l2"] * sum((parameter**2).sum() for parameter in self.parameters)
        total.backward()
        self.optimizer.step()
        return value.mean().detach()

    def objective(self, batch: dict[str, torch.Tensor], path: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor]:
        """Surrogate and value of each list, `[batch]`; only the steps that the longest list can fill are run."""
        mode, cutoff, labels = self.settings["training"], self.settings["reward_cutoff"], batch["labels"]
        steps = min(self.settings["steps"], labels.shape[1])
        order, logits, remaining = self.forward(
            batch["features"], batch["mask"], steps, mode in ("sampling", "reinforce"), path
        )
        log_p = torch.log_softmax(logits, dim=-1)
        ranks = torch.arange(1, steps + 1)
        if mode == "reinforce":
            costs = -_slate_gains(order, remaining, labels, ranks, cutoff)
            consequences = costs.flip(1).cumsum(1).flip(1)
        else:
            positives = labels[:, None] * remaining
            target = positives / positives.sum(dim=-1, keepdim=True).clamp(min=1)
            costs = -torch.where(target > 0, target * log_p, 0.0).sum(dim=-1) / torch.log(ranks + 1.0)
            consequences = costs.detach().flip(1).cumsum(1).flip(1) - costs.detach()
        if mode in ("greedy", "one_step"):
            return costs.sum(dim=1), costs.sum(dim=1)
        chosen_log_p = log_p.gather(2, order[:, :, None])[:, :, 0]
        chosen_log_p = torch.where(remaining.any(dim=-1), chosen_log_p, 0.0)
        baseline = self._moving_baseline(consequences.mean(dim=0))
        score = ((consequences - baseline) * chosen_log_p).sum(dim=1)
        return (score if mode == "reinforce" else costs.sum(dim=1) + score), costs.sum(dim=1)

    def _moving_baseline(self, means: torch.Tensor) -> torch.Tensor:
        """The baseline for this batch; the batch is taken in for the next."""
        whole = torch.zeros(self.settings["steps"])
        whole[: len(means)] = means
        present = whole if self.baseline is None else self.baseline
        self.baseline = BASELINE_DECAY * present + (1 - BASELINE_DECAY) * whole
        return present[: len(means)]


def _slate_gains(
    order: torch.Tensor, remaining: torch.Tensor, labels: torch.Tensor, ranks: torch.Tensor, cutoff: int
) -> torch.Tensor:
    """What each step adds to NDCG@cutoff, `[batch, steps]`."""
    discounts = torch.where(ranks <= cutoff, 1 / torch.log2(ranks + 1.0), 0.0)
    gains = torch.where(remaining.any(dim=-1), labels.gather(1, order), 0.0)
    best = labels.sort(dim=1, descending=True).values[:, :cutoff]
    ideal = (best / torch.log2(torch.arange(best.shape[1]) + 2.0)).sum(dim=1, keepdim=True)
    return torch.where(ideal > 0, gains * discounts / ideal.clamp(min=1e-9), 0.0)


class Worker:
    """The commands; every method takes the message's fields and arrays."""

    def __init__(self) -> None:
        self.batches: list[dict[str, torch.Tensor]] = []

    def start(self, arrays: dict[str, torch.Tensor], settings: dict[str, Any]) -> dict[str, Any]:
        """A model with the given weights and settings, and no batches yet."""
        torch.manual_seed(0)
        self.training = TorchTraining(TorchSeq2Slate(arrays, settings["dropout"]), settings)
        self.batches = []
        return {"version": torch.__version__}

    def peak_memory(self, indices: list[int]) -> dict[str, Any]:
        """Most memory resident while training on the kept batches of these indices, less that at rest, in MiB."""
        memory = PeakMemory()
        self.train(indices)
        return {"mebibytes": memory.mebibytes()}

    def add_batch(self, arrays: dict[str, torch.Tensor]) -> dict[str, Any]:
        """Keep one padded batch: `features`, `mask` and `labels`."""
        self.batches.append(arrays)
        return {}

    def check(self, arrays: dict[str, torch.Tensor]) -> dict[str, Any]:
        """Mean value and norms of the surrogate's gradient along the path `order`, without dropout."""
        self.training.model.eval()
        surrogate, value = self.training.objective(self.batches[0], arrays["order"])
        gradients = torch.autograd.grad(surrogate.mean(), self.training.parameters)
        greedy, _, _ = self.training.model(
            self.batches[0]["features"], self.batches[0]["mask"], arrays["order"].shape[1], False, None
        )
        self.training.baseline = None
        return {
            "value": float(value.mean().detach()),
            "gradient_norms": dict(
                zip(self.training.model.trained(), (float(gradient.norm()) for gradient in gradients), strict=True)
            ),
            "greedy": greedy.tolist(),
        }

    def train(self, indices: list[int]) -> dict[str, Any]:
        """Train on the kept batches of these indices; wall and processor seconds."""
        start, processor = time.perf_counter(), time.process_time()
        values = [self.training.step(self.batches[index]) for index in indices]
        finite = bool(torch.isfinite(torch.stack(values)).all())
        return {
            "seconds": time.perf_counter() - start,
            "processor_seconds": time.process_time() - processor,
            "finite": finite,
        }


def serve(incoming: BinaryIO, outgoing: BinaryIO) -> None:
    """Answer messages until the pipe closes."""
    worker = Worker()
    while line := incoming.readline():
        message = json.loads(line)
        announced = message.pop("arrays", [])
        arrays = {}
        for name, dtype, shape in announced:
            kind = getattr(torch, dtype)
            size = math.prod(shape) * torch.empty(0, dtype=kind).element_size()
            arrays[name] = torch.frombuffer(bytearray(incoming.read(size)), dtype=kind).reshape(shape)
        given = {"arrays": arrays} if announced else {}
        answer = getattr(worker, message.pop("command"))(**given, **message)
        outgoing.write(json.dumps(answer).encode() + b"\n")
        outgoing.flush()


if __name__ == "__main__":
    torch.set_num_threads(int(sys.argv[1]))
    torch.set_num_interop_threads(1)
    serve(sys.stdin.buffer, sys.stdout.buffer)
