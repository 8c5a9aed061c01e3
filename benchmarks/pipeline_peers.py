"""DVC, Metaflow and ZenML, what `pipelines` measures a run against: installed by pip at first use, under ``.modelyard/``.

Each has an environment of its own, and is told in its own terms to call the same command for each of four stages. None needs an
account; what they would tell their makers is switched off.
"""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from actions.contracts.stage import Stage
from benchmarks.machine import ROOT

FOUR: tuple[Stage, ...] = ("prepare", "train", "evaluate", "judge")
_HERE = Path(__file__).parent
_SECONDS = 900


@dataclass(frozen=True)
class Peer:
    """One of those that a run is measured against.

    Attributes
    ----------
    name, version
        As people know it.
    requirement
        What pip installs.
    environment
        What switches its reports to its makers off, and keeps its files in a folder.
    prepare
        Writes what it needs to know into a folder, once: that is set-up and not measured.
    command
        What runs the four stages, from the environment's ``bin`` and the folder.
    """

    name: str
    version: str
    requirement: str
    environment: Callable[[Path], dict[str, str]]
    prepare: Callable[[Path, Path, Mapping[Stage, Sequence[str]], Mapping[Stage, Path]], None]
    command: Callable[[Path, Path], list[str]]

    @property
    def title(self) -> str:
        return f"{self.name} {self.version}"

    def installed(self) -> tuple[Path | None, str]:
        """Return the ``bin`` of its environment, and why there is none."""
        folder = ROOT / ".modelyard" / "benchmarks" / f"{self.name.lower()}-{self.version}"
        done = folder / "installed"
        if not done.is_file():
            shutil.rmtree(folder, ignore_errors=True)
            print(f"installing {self.title} by pip into {folder.relative_to(ROOT)} (once) ...", file=sys.stderr)
            pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "-q", "--no-input", self.requirement]
            for command in ([sys.executable, "-m", "venv", str(folder)], pip):
                tried = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_SECONDS)
                if tried.returncode != 0:
                    return None, f"pip could not install {self.title}: {tried.stderr.strip()[-300:]}"
            done.touch()
        return folder / "bin", ""


def dvc_yaml(commands: Mapping[Stage, Sequence[str]], records: Mapping[Stage, Path]) -> str:
    """Return DVC's pipeline: each stage's record is its output, and what the next one depends on.

    JSON, which is YAML, too. A record names the digests of all that its stage wrote, so it stands for that.
    """
    stages = {
        stage: {
            "cmd": shlex.join(commands[stage]),
            **({"deps": [str(records[FOUR[number - 1]])]} if number else {}),
            "outs": [str(records[stage])],
        }
        for number, stage in enumerate(FOUR)
    }
    return json.dumps({"stages": stages}, indent=2)


def _prepare_dvc(
    programs: Path, folder: Path, commands: Mapping[Stage, Sequence[str]], records: Mapping[Stage, Path]
) -> None:
    environment = {"PATH": f"{programs}:/usr/bin:/bin", **_dvc(folder)}
    subprocess.run([str(programs / "dvc"), "init", "--no-scm", "-q"], cwd=folder, env=environment, check=True)
    (folder / "dvc.yaml").write_text(dvc_yaml(commands, records), encoding="utf-8")


def _prepare_by_commands(
    programs: Path,  # noqa: ARG001  # one signature for all
    folder: Path,
    commands: Mapping[Stage, Sequence[str]],
    records: Mapping[Stage, Path],  # noqa: ARG001
) -> None:
    (folder / "commands.json").write_text(json.dumps(commands), encoding="utf-8")


def _dvc(folder: Path) -> dict[str, str]:
    return {"DVC_NO_ANALYTICS": "1", "DVC_SITE_CACHE_DIR": str(folder / "site"), "HOME": str(folder)}


def _metaflow(folder: Path) -> dict[str, str]:
    here = {"METAFLOW_DATASTORE_SYSROOT_LOCAL": str(folder), "METAFLOW_HOME": str(folder / "home"), "HOME": str(folder)}
    return here | {"METAFLOW_USER": "benchmark", "METAFLOW_DEFAULT_DATASTORE": "local"}


def _zenml(folder: Path) -> dict[str, str]:
    off = {"ZENML_ANALYTICS_OPT_IN": "false", "AUTO_OPEN_DASHBOARD": "false", "ZENML_DISABLE_STEP_LOGS_STORAGE": "true"}
    # One that is there already: making its database is set-up.
    return off | {"ZENML_CONFIG_PATH": str(folder.parent / "zenml-home"), "ZENML_LOGGING_VERBOSITY": "ERROR"}


PEERS = (
    Peer("DVC", "3.67.1", "dvc==3.67.1", _dvc, _prepare_dvc, lambda programs, _: [str(programs / "dvc"), "repro"]),
    Peer(
        "Metaflow",
        "2.19.39",
        "metaflow==2.19.39",
        _metaflow,
        _prepare_by_commands,
        lambda programs, folder: [
            str(programs / "python"),
            str(_HERE / "pipeline_metaflow.py"),
            "run",
            "--commands",
            str(folder / "commands.json"),
        ],
    ),
    Peer(
        "ZenML",
        "0.98.0",
        "zenml[local]==0.98.0",
        _zenml,
        _prepare_by_commands,
        lambda programs, folder: [
            str(programs / "python"),
            str(_HERE / "pipeline_zenml.py"),
            str(folder / "commands.json"),
        ],
    ),
)
