"""What could run somebody else's text or file as code is called nowhere in the source."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted(
    str(path.relative_to(ROOT)) for folder in ("actions", "bot", "runners") for path in (ROOT / folder).rglob("*.py")
)
MODULES = {"pickle", "cPickle", "marshal", "shelve", "dill", "cloudpickle", "joblib"}
"""They make objects of a file, and so run what it says."""
CALLS = {"eval", "exec", "compile", "__import__", "os.system", "os.popen", "subprocess.getoutput", "yaml.unsafe_load",
         "yaml.full_load", "pandas.read_pickle", "torch.load", "numpy.load", "tarfile.open", "shutil.unpack_archive"}  # fmt: skip
"""They run text, unpickle, or unpack."""
LOADERS = {"BaseLoader", "CBaseLoader", "SafeLoader", "CSafeLoader"}


def name_of(node: ast.expr) -> str:
    """Return a dotted name, or nothing."""
    if isinstance(node, ast.Name):
        return node.id
    return f"{name_of(node.value)}.{node.attr}" if isinstance(node, ast.Attribute) else ""


def unsafe(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (f"import {alias.name}" for alias in node.names if alias.name.partition(".")[0] in MODULES)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in MODULES:
            yield f"from {node.module}"
        elif isinstance(node, ast.Call):
            name = name_of(node.func)
            named = {each.arg: each.value for each in node.keywords}
            shell, tensors_alone = named.get("shell"), named.get("weights_only")
            if name == "torch.load" and isinstance(tensors_alone, ast.Constant) and tensors_alone.value is True:
                continue  # nothing is unpickled then but tensors and plain values
            if name in CALLS:
                yield name
            elif shell is not None and not (isinstance(shell, ast.Constant) and shell.value is False):
                yield f"{name} with a shell"
            elif (
                name == "yaml.load" and name_of(named.get("Loader", ast.Constant(0))).rpartition(".")[2] not in LOADERS
            ):
                yield "yaml.load without a safe loader"


@pytest.mark.parametrize("source", SOURCES)
def test_nothing_that_runs_others_text_or_files_is_called(source: str) -> None:
    assert list(unsafe(ast.parse((ROOT / source).read_text(encoding="utf-8")))) == []


@pytest.mark.parametrize(
    "text",
    ["import pickle", "from joblib import load", "eval(x)", "os.system(x)", "subprocess.run(x, shell=True)",
     "subprocess.run(x, shell=y)", "yaml.load(x)", "yaml.load(x, Loader=yaml.Loader)", "torch.load(x)",
     "torch.load(x, weights_only=False)", "torch.load(x, weights_only=y)"],
)  # fmt: skip
def test_a_violation_would_be_found(text: str) -> None:
    assert len(list(unsafe(ast.parse(text)))) == 1
