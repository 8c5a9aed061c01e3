"""The structure of the source: what ``make structure`` prints, held to what was promised."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from benchmarks.structure import ADDITIONS, Addition, Module, cycles, imports_of, read_modules, report, touched_by

ROOT = Path(__file__).parents[2]
Modules = Mapping[str, Module]


@pytest.fixture(scope="module")
def modules() -> Modules:
    """Return the project's modules; each is parsed once for all tests."""
    return read_modules(ROOT)


def test_no_modules_import_each_other_when_they_are_loaded(modules: Modules) -> None:
    assert cycles({name: imports_of(module, modules).at_load for name, module in modules.items()}) == []


def test_only_the_hubs_modules_refer_to_each_other_for_types(modules: Modules) -> None:
    imports = {name: imports_of(module, modules) for name, module in modules.items()}
    groups = cycles({name: found.at_load | found.for_types for name, found in imports.items()})
    assert [name for group in groups for name in group if not name.startswith("runners.local.hub.")] == []


def test_cycles_are_found() -> None:
    assert cycles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": set()}) == [["b", "c"]]


@pytest.mark.parametrize("addition", ADDITIONS, ids=lambda addition: addition.kind)
def test_an_addition_touches_as_few_files_as_promised(addition: Addition, modules: Modules) -> None:
    touched = [module.name for module in touched_by(addition, modules)]
    assert 0 < len(touched) <= addition.goal, touched


def test_only_code_counts_as_a_line_of_code() -> None:
    source = '"""What the module is for."""\n\n# why\nTEXT = """two\nlines"""\n\ndef f() -> None:\n    """Do it."""\n    print(\n        1\n    )\n'
    assert Module("example", Path("example.py"), source).code_lines == 6


def test_the_report_adds_up_the_lines_of_all_packages(modules: Modules) -> None:
    rows = [line.split("|") for line in report(ROOT, modules)]
    lines = {row[1].strip(): int(row[3].replace(",", "")) for row in rows[2:6]}
    assert lines.pop("total") == sum(lines.values())
    assert lines.keys() == {"`bot`", "`actions`", "`runners`"}
