"""pyproject.toml and the locks: what is named, what never meets, what agrees, what the wheel carries."""

from __future__ import annotations

import importlib.metadata
import itertools
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]

LOCKS = {"runner": ["ml-cpu"], "local": ["ml-cpu", "local"], "dev": ["ml-cpu", "local", "dev"]}
"""The locks, each with the extras that it serves; every one contains the one before."""

LAYERS = ["torch", "mutants"]
"""What comes on top of a lock, each with the extra of the same name."""

PROMISED = [
    "githubkit", "fastapi", "uvicorn", "mcp", "boto3", "sagemaker", "torch", "xgboost", "scikit-learn", "ray",
    "tensorrt", "pycuda", "opencv-python", "slack-sdk", "pyyaml", "pytest",
]  # fmt: skip

SAME_MODULE = [
    {"xgboost", "xgboost-cpu"},
    {
        "opencv-python",
        "opencv-python-headless",
        "opencv-contrib-python",
        "opencv-contrib-python-headless",
    },
]
"""Distributions that install the same module: of each set, one at most."""

MACHINES = [
    default_environment() | {"python_version": f"3.{minor}", "python_full_version": f"3.{minor}.1"} | platform
    for minor, platform in itertools.product(
        (11, 12, 13),
        (
            {"sys_platform": "linux", "platform_system": "Linux", "platform_machine": "x86_64"},
            {"sys_platform": "linux", "platform_system": "Linux", "platform_machine": "aarch64"},
            {"sys_platform": "darwin", "platform_system": "Darwin", "platform_machine": "arm64"},
        ),
    )
]
"""Where the locks have to hold: as the markers see it."""


def closure(*extras: str) -> list[Requirement]:
    """Return the requirements of the base and these extras, with what extras take from each other."""
    found: list[Requirement] = []
    todo, seen = [*PROJECT["dependencies"], *itertools.chain(*(EXTRAS[extra] for extra in extras))], set(extras)
    while todo:
        requirement = Requirement(todo.pop())
        if requirement.name == PROJECT["name"]:
            todo += itertools.chain(*(EXTRAS[extra] for extra in requirement.extras - seen))
            seen |= requirement.extras
        else:
            found.append(requirement)
    return found


def lines(lock: str) -> list[str]:
    text = (ROOT / "requirements" / f"{lock}.txt").read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def pins(lock: str, machine: dict[str, Any]) -> dict[str, str]:
    """Return what pip would install from a lock on such a machine."""
    requirements = [Requirement(line) for line in lines(lock)]
    chosen = [each for each in requirements if each.marker is None or each.marker.evaluate(machine)]
    names = [canonicalize_name(each.name) for each in chosen]
    assert sorted(set(names)) == sorted(names), "a package is pinned twice"
    return {canonicalize_name(each.name): str(each.specifier).removeprefix("==") for each in chosen}


def names_of(requirements: list[Requirement]) -> set[str]:
    return {canonicalize_name(each.name) for each in requirements}


@pytest.mark.parametrize("package", PROMISED)
def test_each_promised_package_is_a_literal_dependency(package: str) -> None:
    literal = [*PROJECT["dependencies"], *itertools.chain(*EXTRAS.values())]
    assert package in names_of([Requirement(text) for text in literal])


@pytest.mark.parametrize("text", sorted({*PROJECT["dependencies"], *itertools.chain(*EXTRAS.values())}))
def test_every_version_is_bounded_below_and_above(text: str) -> None:
    requirement = Requirement(text)
    if requirement.name == PROJECT["name"]:
        return
    operators = {specifier.operator for specifier in requirement.specifier}
    assert {">=", "<"} <= operators


@pytest.mark.parametrize("extra", EXTRAS)
def test_no_extra_brings_two_builds_of_one_module(extra: str) -> None:
    for same in SAME_MODULE:
        assert len(names_of(closure(extra)) & same) <= 1


@pytest.mark.parametrize("lock", LOCKS)
def test_no_lock_has_two_builds_of_one_module_nor_anything_that_needs_a_gpu(lock: str) -> None:
    locked = {canonicalize_name(Requirement(line).name) for line in lines(lock)}
    for same in SAME_MODULE:
        assert len(locked & same) <= 1
    gpu = {canonicalize_name(Requirement(text).name) for text in EXTRAS["gpu"]}
    assert not locked & (gpu | {"torch"})
    assert not {name for name in locked if name.startswith("nvidia-")}


@pytest.mark.parametrize("extra", LAYERS)
def test_what_comes_on_top_is_pinned_and_agrees_with_the_locks(extra: str) -> None:
    for machine in MACHINES:
        layer, locked = pins(extra, machine), pins("dev", machine)
        assert {name: version for name, version in layer.items() if locked.get(name, version) != version} == {}
        for requirement in map(Requirement, EXTRAS[extra]):
            assert requirement.specifier.contains(layer[canonicalize_name(requirement.name)])


def test_make_installs_the_locks_and_nothing_else() -> None:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert not re.search(r"\bpip\b|\buv\b|\bextra", text)
    layers = {name for names in re.findall(r"call with,([\w ]+)", text) for name in names.split()}
    assert layers <= {*LOCKS, *LAYERS}


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_has_pins_with_markers_and_no_word_of_where_they_come_from(lock: str) -> None:
    pin = re.compile(r"[a-z0-9][a-z0-9._-]*==[0-9][0-9a-z.]*( ; [^#]+)?")
    assert [line for line in lines(lock) if not pin.fullmatch(line)] == []


@pytest.mark.parametrize("machine", MACHINES, ids=lambda each: f"{each['python_version']}-{each['platform_machine']}")
def test_the_locks_satisfy_pyproject_and_each_contains_the_one_before(machine: dict[str, Any]) -> None:
    smaller: dict[str, str] = {}
    for lock, extras in LOCKS.items():
        locked = pins(lock, machine)
        for requirement in closure(*extras):
            version = locked.get(canonicalize_name(requirement.name), "nothing")
            assert requirement.specifier.contains(version), f"{lock}.txt has {version} for {requirement}"
        assert smaller.items() <= locked.items(), f"{lock}.txt contradicts the smaller lock"
        smaller = locked


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_everything_that_its_packages_need_on_this_machine(lock: str) -> None:
    """The environments are installed without resolving: what a lock leaves out would be missing."""
    locked = pins(lock, dict(default_environment()))
    todo = closure(*LOCKS[lock])
    seen: set[tuple[str, frozenset[str]]] = set()
    while todo:
        requirement = todo.pop()
        name = canonicalize_name(requirement.name)
        if (name, frozenset(requirement.extras)) in seen:
            continue
        seen.add((name, frozenset(requirement.extras)))
        assert name in locked, f"{lock}.txt lacks {requirement}"
        for text in importlib.metadata.requires(name) or []:
            needed = Requirement(text)
            extras = ("", *requirement.extras)
            if needed.marker is None or any(needed.marker.evaluate({"extra": extra}) for extra in extras):
                todo.append(needed)


def test_the_wheel_carries_every_tracked_file_of_the_three_packages(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("modelyard-*.whl")
    carried = set(zipfile.ZipFile(wheel).namelist())
    listed = subprocess.run(
        ["git", "ls-files", "actions", "bot", "runners"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    tracked = {path for path in listed.stdout.splitlines() if (ROOT / path).is_file()}
    assert tracked
    assert tracked - carried == set()
