"""The small faults that Cosmic Ray's operators, and one of ours, put into a module."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

OPERATORS = [
    "AddNot", "NumberReplacer", "ReplaceAndWithOr", "ReplaceBreakWithContinue",
    "ReplaceContinueWithBreak", "ReplaceFalseWithTrue", "ReplaceOrWithAnd", "ReplaceTrueWithFalse",
    "ReplaceBinaryOperator_Add_Sub", "ReplaceBinaryOperator_BitAnd_BitOr", "ReplaceBinaryOperator_Div_Mul",
    "ReplaceBinaryOperator_Mul_Div", "ReplaceBinaryOperator_Sub_Add", "ReplaceComparisonOperator_Eq_NotEq",
    "ReplaceComparisonOperator_Gt_GtE", "ReplaceComparisonOperator_GtE_Gt", "ReplaceComparisonOperator_IsNot_Is",
    "ReplaceComparisonOperator_Is_IsNot", "ReplaceComparisonOperator_LtE_Lt", "ReplaceComparisonOperator_Lt_LtE",
    "ReplaceComparisonOperator_NotEq_Eq", "ReplaceUnaryOperator_Delete_Not", "ReplaceUnaryOperator_USub_UAdd",
    "ZeroIterationForLoop",
]  # fmt: skip
"""One replacement of each kind. Cosmic Ray has many more that say the same (`==` into `<`, `>`, `is` and so on), and one for exceptions
that fails on names with a dot."""


@dataclass(frozen=True)
class Mutant:
    """A module with one fault.

    Attributes
    ----------
    number
        The number of the first line that changes, from 1.
    line, became
        The lines that change, before and after, without indentation.
    source
        The whole module.
    """

    number: int
    line: str
    became: str
    source: str


class _RemoveCall:
    """Replaces a statement that is only a call by ``pass``."""

    def mutation_positions(self, node: Any) -> Iterator[tuple[Any, Any]]:
        if node.type == "simple_stmt" and node.children[0].type == "atom_expr":
            yield node.start_pos, node.end_pos

    def mutate(self, node: Any, _: int) -> Any:
        from parso.python.tree import Keyword

        call = node.children[0]
        node.children[0] = Keyword("pass", call.start_pos, call.get_first_leaf().prefix)
        return node


def mutants_of(source: str) -> list[Mutant]:
    """Return a module's mutants, each once, from its first line to its last."""
    from cosmic_ray.plugins import get_operator

    operators: list[Any] = [*(get_operator(f"core/{name}")() for name in OPERATORS), _RemoveCall()]
    found = {mutant.source: mutant for operator in operators for mutant in _mutants(source, operator)}
    return sorted((mutant for mutant in found.values() if _can_matter(mutant)), key=lambda mutant: mutant.number)


def _can_matter(mutant: Mutant) -> bool:
    """Tell whether a mutant is Python that may behave differently: only type checkers see what is below TYPE_CHECKING."""
    try:
        compile(mutant.source, "mutant", "exec", dont_inherit=True)
    except SyntaxError:
        return False
    is_bare_star = mutant.line.replace("*,", "/,", 1) == mutant.became  # no multiplication
    return "TYPE_CHECKING" not in mutant.line and not is_bare_star


def _mutants(source: str, operator: Any) -> Iterator[Mutant]:
    from cosmic_ray.ast import ast_nodes, get_ast
    from cosmic_ray.mutating import mutate_code

    places = sum(len([*operator.mutation_positions(node)]) for node in ast_nodes(get_ast(source)))
    before = source.splitlines()
    for place in range(places):
        mutated = mutate_code(source, operator, place)
        after = mutated.splitlines()
        blocks = [
            block
            for block in difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes()
            if block[0] != "equal"
        ]
        _, start, end, new_start, new_end = blocks[0]
        yield Mutant(start + 1, _joined(before[start:end]), _joined(after[new_start:new_end]), mutated)


def _joined(lines: list[str]) -> str:
    return " ".join(line.strip() for line in lines)
