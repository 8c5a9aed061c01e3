"""The neural network with the interface of scikit-learn's estimators, so that it fits behind the same preprocessor.

The model file contains ``shape_`` (JSON) and ``state_`` (a PyTorch state dict as bytes, read with ``weights_only=True``).
Imports scikit-learn: import this module inside functions only.
"""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.validation import check_is_fitted

from actions.ml_training.progress import Curves, TrainingProgress

Watched = Sequence[tuple[Any, Any]]


class _NeuralNetwork(BaseEstimator):  # type: ignore[misc]  # scikit-learn carries no types
    """The common part of classifier and regressor.

    Parameters
    ----------
    hidden_layers, hidden_units : int
        The number of hidden layers, and of units in each; 0 layers make a linear model.
    activation : {'relu', 'gelu', 'silu', 'tanh'}
    dropout : float
        The share of a hidden layer's units that each step leaves out.
    epochs : int
        The maximum number of passes over the training rows.
    patience : int or None
        The number of epochs without a lower validation loss after which training stops; None: never. Without validation rows
        there is no early stopping.
    batch_size : int or None
        Rows per step; None: from 32 to 4096, depending on the number of rows.
    learning_rate : float
    learning_rate_schedule : {'cosine', 'plateau', 'constant'}
    weight_decay : float
    gradient_clip : float or None
        The maximum norm of the gradients in a step; None: unlimited.
    precision : {'auto', 'float32', 'bfloat16', 'float16'}
        auto: bfloat16 on a GPU that has it, float16 on another GPU, float32 on the CPU.
    device : {'auto', 'cpu', 'cuda'}
        The device to train on; predictions always run on the CPU.
    random_state : int
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "hidden_layers": [Interval(Integral, 0, 100, closed="both")],
        "hidden_units": [Interval(Integral, 1, 65_536, closed="both")],
        "activation": [StrOptions({"gelu", "relu", "silu", "tanh"})],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "epochs": [Interval(Integral, 1, None, closed="left")],
        "patience": [Interval(Integral, 1, None, closed="left"), None],
        "batch_size": [Interval(Integral, 1, None, closed="left"), None],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "learning_rate_schedule": [StrOptions({"cosine", "plateau", "constant"})],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "gradient_clip": [Interval(Real, 0, None, closed="neither"), None],
        "precision": [StrOptions({"auto", "float32", "bfloat16", "float16"})],
        "device": [StrOptions({"auto", "cpu", "cuda"})],
        "random_state": ["random_state"],
    }

    def __init__(  # noqa: PLR0913  # hyperparameters are named one by one, as scikit-learn wants them
        self,
        *,
        hidden_layers: int = 2,
        hidden_units: int = 128,
        activation: str = "relu",
        dropout: float = 0.1,
        epochs: int = 100,
        patience: int | None = 15,
        batch_size: int | None = None,
        learning_rate: float = 0.001,
        learning_rate_schedule: str = "cosine",
        weight_decay: float = 0.01,
        gradient_clip: float | None = None,
        precision: str = "auto",
        device: str = "auto",
        random_state: int = 0,
    ) -> None:
        self.hidden_layers = hidden_layers
        self.hidden_units = hidden_units
        self.activation = activation
        self.dropout = dropout
        self.epochs = epochs
        self.patience = patience
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_schedule = learning_rate_schedule
        self.weight_decay = weight_decay
        self.gradient_clip = gradient_clip
        self.precision = precision
        self.device = device
        self.random_state = random_state

    def module(self) -> Any:
        """Return the trained network as a ``torch.nn.Module`` on the CPU: preprocessed rows in, raw outputs out."""
        from actions.ml_training.estimators.mlp import open_network

        check_is_fitted(self)
        if not hasattr(self, "_module"):
            self._module = open_network(self.shape_, self.state_)
        return self._module

    def evals_result(self) -> Curves:
        """Return the loss curves by part."""
        return self.curves_

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = super().__getstate__().copy()
        state.pop("_module", None)  # rebuilt from shape_ and state_
        return state

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "state_")

    def _train(  # what the two kinds of target differ in
        self,
        rows: Any,
        target: Any,
        outputs: int,
        validation: Any,
        class_weights: Any,
        progress: TrainingProgress | None,
    ) -> None:
        from actions.ml_training.estimators.mlp import Part, Settings, default_batch_size, default_device, train

        self._validate_params()
        device = default_device() if self.device == "auto" else self.device
        self.n_features_in_ = int(rows.shape[1])
        self.shape_ = {
            "inputs": self.n_features_in_,
            "outputs": outputs,
            "hidden_layers": int(self.hidden_layers),
            "hidden_units": int(self.hidden_units),
            "activation": self.activation,
            "dropout": float(self.dropout),
        }
        settings = Settings(
            epochs=self.epochs,
            batch_size=self.batch_size or default_batch_size(len(rows)),
            learning_rate=self.learning_rate,
            learning_rate_schedule=self.learning_rate_schedule,
            weight_decay=self.weight_decay,
            gradient_clip=self.gradient_clip,
            patience=self.patience if validation is not None else None,
            precision=_precision(self.precision, device),
            device=device,
            seed=int(self.random_state),
        )
        held_out = Part(*validation) if validation is not None else None
        progress = progress or TrainingProgress(report=lambda *_, **__: None)
        found = train(self.shape_, settings, Part(rows, target), held_out, class_weights, progress)
        self.state_, self.best_epoch_, self.curves_ = found.state, found.best_epoch, found.curves
        self.__dict__.pop("_module", None)

    def _outputs(self, rows: Any) -> Any:
        from actions.ml_training.estimators.mlp import outputs_of

        return outputs_of(self.module(), rows)


class NeuralNetworkClassifier(ClassifierMixin, _NeuralNetwork):  # type: ignore[misc]  # scikit-learn carries no types
    """A multilayer perceptron that is trained by cross entropy.

    Parameters
    ----------
    class_weight : {'balanced'} or None
        balanced: the loss of each class counts in inverse proportion to how many training rows it has.
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **_NeuralNetwork._parameter_constraints,  # noqa: SLF001  # its own base
        "class_weight": [StrOptions({"balanced"}), None],
    }

    def __init__(  # noqa: PLR0913  # hyperparameters are named one by one, as scikit-learn wants them
        self,
        *,
        hidden_layers: int = 2,
        hidden_units: int = 128,
        activation: str = "relu",
        dropout: float = 0.1,
        epochs: int = 100,
        patience: int | None = 15,
        batch_size: int | None = None,
        learning_rate: float = 0.001,
        learning_rate_schedule: str = "cosine",
        weight_decay: float = 0.01,
        gradient_clip: float | None = None,
        precision: str = "auto",
        device: str = "auto",
        random_state: int = 0,
        class_weight: str | None = None,
    ) -> None:
        super().__init__(
            hidden_layers=hidden_layers,
            hidden_units=hidden_units,
            activation=activation,
            dropout=dropout,
            epochs=epochs,
            patience=patience,
            batch_size=batch_size,
            learning_rate=learning_rate,
            learning_rate_schedule=learning_rate_schedule,
            weight_decay=weight_decay,
            gradient_clip=gradient_clip,
            precision=precision,
            device=device,
            random_state=random_state,
        )
        self.class_weight = class_weight

    def fit(
        self, rows: Any, labels: Any, eval_set: Watched | None = None, progress: TrainingProgress | None = None
    ) -> Self:
        """Fit; of ``eval_set`` (training rows first, as XGBoost has it) the last pair is held out."""
        self.classes_, codes = np.unique(np.asarray(labels), return_inverse=True)
        weights = None
        if self.class_weight is not None:
            weights = compute_class_weight(self.class_weight, classes=np.arange(len(self.classes_)), y=codes)
        validation = None
        if eval_set is not None and len(eval_set) > 1:
            held_out, theirs = eval_set[-1]
            validation = (held_out, np.searchsorted(self.classes_, np.asarray(theirs)).astype(np.int64))
        self._train(rows, codes.astype(np.int64), len(self.classes_), validation, weights, progress)
        return self

    def predict(self, rows: Any) -> Any:
        return self.classes_[np.argmax(self._outputs(rows), axis=1)]

    def predict_proba(self, rows: Any) -> Any:
        from sklearn.utils.extmath import softmax

        return softmax(self._outputs(rows))


class NeuralNetworkRegressor(RegressorMixin, _NeuralNetwork):  # type: ignore[misc]  # scikit-learn carries no types
    """A multilayer perceptron that is trained by squared error on the standardised target."""

    def fit(
        self, rows: Any, target: Any, eval_set: Watched | None = None, progress: TrainingProgress | None = None
    ) -> Self:
        """Fit; of ``eval_set`` (training rows first, as XGBoost has it) the last pair is held out."""
        values = np.asarray(target, dtype=float)
        self.target_mean_, self.target_scale_ = float(values.mean()), float(values.std()) or 1.0
        validation = None
        if eval_set is not None and len(eval_set) > 1:
            held_out, theirs = eval_set[-1]
            validation = (held_out, self._standardised(theirs))
        self._train(rows, self._standardised(values), 1, validation, None, progress)
        return self

    def predict(self, rows: Any) -> Any:
        return self._outputs(rows)[:, 0] * self.target_scale_ + self.target_mean_

    def _standardised(self, target: Any) -> Any:
        return ((np.asarray(target, dtype=float) - self.target_mean_) / self.target_scale_).astype(np.float32)


def _precision(asked: str, device: str) -> str:
    if asked != "auto":
        return asked
    if device == "cpu":
        return "float32"
    import torch

    return "bfloat16" if torch.cuda.is_bf16_supported() else "float16"
