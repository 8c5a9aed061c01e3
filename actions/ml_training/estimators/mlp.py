"""A multilayer perceptron in PyTorch and its training loop: arrays in, a state dict out.

Imports PyTorch: import this module inside functions only.
"""

from __future__ import annotations

import copy
import io
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from actions.ml_training.progress import Curves, TrainingProgress

Shape = dict[str, Any]
"""JSON: ``inputs``, ``outputs``, ``hidden_layers``, ``hidden_units``, ``activation``, ``dropout``."""

ACTIVATIONS: dict[str, type[nn.Module]] = {"gelu": nn.GELU, "relu": nn.ReLU, "silu": nn.SiLU, "tanh": nn.Tanh}
_ROWS_AT_ONCE = 65_536
_MIN_VALUES_FOR_THREADS = 100_000
"""The values of a layer in one batch from which threads are worthwhile."""
_IMPROVEMENT = 1 - 1e-4
"""A loss must be lower than the best one by this factor to count as an improvement."""


@dataclass(frozen=True)
class Settings:
    """The hyperparameters of the training loop."""

    epochs: int
    batch_size: int
    learning_rate: float
    learning_rate_schedule: str
    weight_decay: float
    gradient_clip: float | None
    patience: int | None
    precision: str
    device: str
    seed: int


@dataclass(frozen=True)
class Part:
    """Rows as floats, and their targets: class codes, or standardised numbers."""

    rows: Any
    target: Any


@dataclass
class _State:
    """The state of a training that a checkpoint stores besides the weights."""

    epoch: int = 0
    best_epoch: int = 0
    best_loss: float = math.inf
    best_state: dict[str, Any] = field(default_factory=dict)
    curves: Curves = field(default_factory=dict)


@dataclass(frozen=True)
class TrainedNetwork:
    """The weights of the best epoch, and the loss curves."""

    state: bytes
    best_epoch: int
    curves: Curves


def build(shape: Shape) -> nn.Sequential:
    """Return an untrained network: hidden layers of equal width, then a linear one.

    Examples
    --------
    >>> build({"inputs": 4, "outputs": 3, "hidden_layers": 1, "hidden_units": 8, "activation": "relu", "dropout": 0.0})
    Sequential(
      (0): Linear(in_features=4, out_features=8, bias=True)
      (1): ReLU()
      (2): Linear(in_features=8, out_features=3, bias=True)
    )
    """
    layers: list[nn.Module] = []
    width = shape["inputs"]
    for _ in range(shape["hidden_layers"]):
        layers += [nn.Linear(width, shape["hidden_units"]), ACTIVATIONS[shape["activation"]]()]
        if shape["dropout"]:
            layers.append(nn.Dropout(shape["dropout"]))
        width = shape["hidden_units"]
    return nn.Sequential(*layers, nn.Linear(width, shape["outputs"]))


def open_network(shape: Shape, state: bytes) -> nn.Sequential:
    """Return a trained network on the CPU for predictions; only tensors are unpickled."""
    network = build(shape)
    network.load_state_dict(torch.load(io.BytesIO(state), map_location="cpu", weights_only=True))
    return network.eval()


def outputs_of(network: nn.Sequential, rows: Any) -> Any:
    """Return the network's raw outputs for rows, as float64."""
    with torch.inference_mode():
        parts = torch.from_numpy(np.ascontiguousarray(rows, dtype=np.float32)).split(_ROWS_AT_ONCE)
        return torch.cat([network(part) for part in parts]).double().numpy()


def default_batch_size(rows: int) -> int:
    """Return a power of two from 32 to 4096 that gives about forty steps per epoch.

    Examples
    --------
    >>> [default_batch_size(rows) for rows in (100, 5_000, 1_000_000)]
    [32, 128, 4096]
    """
    return int(2 ** min(max(round(math.log2(max(rows, 1) / 40)), 5), 12))


def default_device() -> str:
    """Return ``cuda`` if PyTorch finds a GPU that it can use, else ``cpu``."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def train(
    shape: Shape,
    settings: Settings,
    train: Part,
    validation: Part | None,
    class_weights: Any,
    progress: TrainingProgress,
) -> TrainedNetwork:
    """Train with AdamW and keep the epoch with the lowest validation loss (without validation rows: the last one).

    The generators are seeded by the epoch, so that a training that resumes from a checkpoint makes exactly the steps that it
    would have made. Mixed precision: bfloat16 or float16 (with scaled losses) within autocast, weights stay float32.

    Parameters
    ----------
    class_weights
        A factor per class for the training loss, or None. The validation loss is never weighted.
    progress
        Receives the losses of each epoch, and keeps the checkpoints.

    References
    ----------
    Loshchilov and Hutter, Decoupled Weight Decay Regularization, ICLR 2019 (AdamW); SGDR, ICLR 2017 (cosine schedule).
    Micikevicius et al., Mixed Precision Training, ICLR 2018.
    """
    with _deterministic(settings), _cores_for(min(settings.batch_size, len(train.rows)) * shape["hidden_units"]):
        return _Training(shape, settings, train, validation, class_weights).run(progress)


class _Training:
    """One training with its tensors on the device."""

    def __init__(
        self, shape: Shape, settings: Settings, train: Part, validation: Part | None, class_weights: Any
    ) -> None:
        self.settings = settings
        self.device = torch.device(settings.device)
        torch.manual_seed(settings.seed)
        self.network = build(shape).to(self.device)
        self.parts = {"train": self._moved(train)}
        if validation is not None:
            self.parts["validation"] = self._moved(validation)
        self.loss_name = "log_loss" if shape["outputs"] > 1 else "mse"
        self.weights = (
            None if class_weights is None else torch.tensor(class_weights, dtype=torch.float32).to(self.device)
        )
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
        )
        self.schedule = _schedule(self.optimizer, settings)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=settings.precision == "float16")
        self.state = _State()

    def run(self, progress: TrainingProgress) -> TrainedNetwork:
        content = progress.checkpoint()
        if content is not None:
            self._restore(content)
            progress.resume_from(self.state.epoch, self.state.curves)
        self.state.curves = progress.curves
        rows = len(self.parts["train"][0])
        while self.state.epoch < self.settings.epochs and not self._stale():
            losses = self._epoch()
            progress.after_round("epoch", self.state.epoch, self.settings.epochs, losses, rows, self._checkpoint)
        state = self.state.best_state if "validation" in self.parts else self.network.state_dict()
        return TrainedNetwork(_saved(_on_cpu(state)), self.state.best_epoch, self.state.curves)

    def _epoch(self) -> dict[str, dict[str, float]]:
        state = self.state
        state.epoch += 1
        losses = {"train": {self.loss_name: self._learn()}}
        if "validation" in self.parts:
            losses["validation"] = {self.loss_name: self._validation_loss()}
        watched = list(losses.values())[-1][self.loss_name]
        if watched < state.best_loss * _IMPROVEMENT:
            state.best_loss, state.best_epoch = watched, state.epoch
            state.best_state = copy.deepcopy(_on_cpu(self.network.state_dict()))
        if isinstance(self.schedule, torch.optim.lr_scheduler.ReduceLROnPlateau):
            self.schedule.step(watched)
        elif self.schedule is not None:
            self.schedule.step()
        return losses

    def _learn(self) -> float:
        """Run one epoch over the training rows; return the mean loss."""
        rows, target = self.parts["train"]
        torch.manual_seed((self.settings.seed + 1) * 1_000_003 + self.state.epoch)
        order = torch.randperm(len(rows)).to(self.device)
        self.network.train()
        total = torch.zeros((), device=self.device)
        for batch in order.split(self.settings.batch_size):
            self.optimizer.zero_grad(set_to_none=True)
            with self._mixed():
                loss = self._loss(rows[batch], target[batch], self.weights)
            self.scaler.scale(loss).backward()
            if self.settings.gradient_clip is not None:
                self.scaler.unscale_(self.optimizer)
                nn.utils.clip_grad_norm_(self.network.parameters(), self.settings.gradient_clip)
            self.scaler.step(self.optimizer)
            self.scaler.update()
            total += loss.detach() * len(batch)
        return float(total) / len(rows)

    def _validation_loss(self) -> float:
        rows, target = self.parts["validation"]
        self.network.eval()
        with torch.inference_mode(), self._mixed():
            pairs = zip(rows.split(_ROWS_AT_ONCE), target.split(_ROWS_AT_ONCE), strict=True)
            return sum(float(self._loss(some, their, None)) * len(some) for some, their in pairs) / len(rows)

    def _loss(self, rows: Any, target: Any, weights: Any) -> Any:
        found = self.network(rows).float()
        if self.loss_name == "mse":
            return functional.mse_loss(found[:, 0], target)
        return functional.cross_entropy(found, target, weight=weights)

    def _mixed(self) -> Any:
        kind = {"bfloat16": torch.bfloat16, "float16": torch.float16}.get(self.settings.precision)
        return torch.autocast(self.device.type, dtype=kind or torch.bfloat16, enabled=kind is not None)

    def _stale(self) -> bool:
        patience = self.settings.patience
        return patience is not None and self.state.epoch - self.state.best_epoch >= patience

    def _moved(self, part: Part) -> tuple[Any, Any]:
        rows = torch.from_numpy(np.ascontiguousarray(part.rows, dtype=np.float32))
        return rows.to(self.device), torch.from_numpy(np.ascontiguousarray(part.target)).to(self.device)

    def _checkpoint(self) -> bytes:
        return _saved(
            {
                "network": self.network.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "schedule": {} if self.schedule is None else self.schedule.state_dict(),
                "scaler": self.scaler.state_dict(),
                "state": vars(self.state),
            }
        )

    def _restore(self, content: bytes) -> None:
        found = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        self.network.load_state_dict(found["network"])
        self.optimizer.load_state_dict(found["optimizer"])
        if self.schedule is not None:
            self.schedule.load_state_dict(found["schedule"])
        self.scaler.load_state_dict(found["scaler"])
        self.state = _State(**found["state"])


def _schedule(optimizer: Any, settings: Settings) -> Any:
    if settings.learning_rate_schedule == "cosine":
        return torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=settings.epochs)
    if settings.learning_rate_schedule == "plateau":
        waited = max((settings.patience or 15) // 3, 1)
        return torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=waited)
    return None


def _on_cpu(state: dict[str, Any]) -> dict[str, Any]:
    return {name: tensor.detach().cpu() for name, tensor in state.items()}


def _saved(content: Any) -> bytes:
    file = io.BytesIO()
    torch.save(content, file)
    return file.getvalue()


@contextmanager
def _cores_for(values: int) -> Iterator[None]:
    """Compute small layers on one core: with little work per step, threads cost more than they save."""
    before = torch.get_num_threads()
    torch.set_num_threads(before if values >= _MIN_VALUES_FOR_THREADS else 1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def _deterministic(settings: Settings) -> Iterator[None]:
    """Use deterministic algorithms, then restore PyTorch's generators and switches."""
    # cuBLAS reads this once, when it is first used.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    before = torch.are_deterministic_algorithms_enabled()
    devices = [torch.cuda.current_device()] if settings.device.startswith("cuda") else []
    with torch.random.fork_rng(devices=devices):
        torch.use_deterministic_algorithms(True)
        try:
            yield
        finally:
            torch.use_deterministic_algorithms(before)
