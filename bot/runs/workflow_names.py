"""File names of the workflows that the App starts in a repository; ``modelyard init`` writes them."""

from __future__ import annotations

WORKFLOW_FOLDER = ".github/workflows"
TRAIN_WORKFLOW = "modelyard-train.yml"
OPERATION_WORKFLOW = "modelyard-operation.yml"
