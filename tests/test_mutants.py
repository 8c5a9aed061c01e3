"""The list of ``make mutants`` is about modules, tests and lines that exist."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
LIST: dict[str, Any] = tomllib.loads((ROOT / "tests/mutants/modules.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("module", LIST["tests"])
def test_a_module_and_the_tests_closest_to_it_exist(module: str) -> None:
    files = [argument for argument in LIST["tests"][module] if argument.startswith("tests/")]
    assert files
    assert [path for path in (module, *files) if not (ROOT / path).is_file()] == []


@pytest.mark.parametrize("equivalent", LIST["equivalent"], ids=lambda each: each["line"][:40])
def test_a_fault_that_no_test_need_notice_is_of_a_line_that_exists_and_has_a_reason(equivalent: dict[str, str]) -> None:
    modules = [equivalent["module"]] if "module" in equivalent else LIST["tests"]
    lines = [line.strip() for module in modules for line in (ROOT / module).read_text(encoding="utf-8").splitlines()]
    assert [line for line in lines if re.search(equivalent["line"], line)]
    assert equivalent["reason"]
