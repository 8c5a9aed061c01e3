"""A multilayer perceptron in PyTorch; the estimator is in ``actions/ml_training/estimators/neural_network.py``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from actions.contracts.algorithm import Layout
from actions.ml_training.algorithm import Algorithm, Hyperparameters, Parts
from actions.ml_training.rules import Given, Rule, is_set, stops_before_the_last_round
from actions.ml_training.search_space import Range

if TYPE_CHECKING:
    from actions.ml_training.progress import TrainingProgress

_ESTIMATORS = "actions.ml_training.estimators.neural_network"


def _build(task: str, hyperparameters: Hyperparameters, seed: int, cores: int) -> Any:  # noqa: ARG001  # PyTorch decides
    from actions.ml_training.estimators.neural_network import NeuralNetworkClassifier, NeuralNetworkRegressor

    network: Any = NeuralNetworkClassifier if task == "classification" else NeuralNetworkRegressor
    return network(**hyperparameters, random_state=seed)


def _fit(network: Any, parts: Parts, progress: TrainingProgress) -> None:
    network.fit(*parts["train"], eval_set=list(parts.values()), progress=progress)


def _lacks_gpu(given: Given) -> bool:
    """Tell whether training runs on the CPU; asks PyTorch only if the hyperparameters leave that open."""
    if given.get("device") == "cpu":
        return True
    import torch

    return not torch.cuda.is_available()


ALGORITHM = Algorithm(
    name="neural_network",
    title="Neural network",
    tasks=("classification", "regression"),
    library="PyTorch",
    modules=("torch",),
    packages=("torch",),
    example_override="epochs=200",
    extra="torch",
    layer="torch",
    layout=Layout(dtype="float32"),
    trusted_types=(f"{_ESTIMATORS}.NeuralNetworkClassifier", f"{_ESTIMATORS}.NeuralNetworkRegressor"),
    build=_build,
    fit=_fit,
    search_space={
        "hidden_layers": Range(low=1, high=4),
        "hidden_units": Range(low=16, high=256, log=True),
        "dropout": Range(low=0.0, high=0.5),
        "learning_rate": Range(low=1e-4, high=3e-2, log=True),
        "weight_decay": Range(low=1e-5, high=0.1, log=True),
    },
    aliases={
        "lr": "learning_rate",
        "n_epochs": "epochs",
        "num_epochs": "epochs",
        "max_iter": "epochs",
        "hidden_layer_sizes": "hidden_units",
        "n_iter_no_change": "patience",
        "early_stopping_rounds": "patience",
        "alpha": "weight_decay",
    },
    rules=(
        stops_before_the_last_round("patience", "epochs", 100),
        Rule(
            ("hidden_layers", "hidden_units"),
            lambda given: given.get("hidden_layers") == 0 and is_set(given, "hidden_units"),
            "With hidden_layers: 0 there is no layer for hidden_units to apply to.",
        ),
        Rule(
            ("device",),
            lambda given: given.get("device") == "cuda" and _lacks_gpu(given),
            "device: cuda needs a GPU that PyTorch can use.",
            "Remove device, or choose a runner with a GPU.",
        ),
        Rule(
            ("precision", "device"),
            lambda given: given.get("precision") == "float16" and _lacks_gpu(given),
            "precision: float16 needs a GPU.",
            "Remove precision, or choose a runner with a GPU.",
        ),
    ),
    rounds="epochs",
    early_stopping="patience",
    reports_losses=True,
    can_be_interrupted=True,
    keeps_checkpoints=True,
    memory_advice="Lower batch_size, hidden_units or hidden_layers",
)
