"""The type stubs of the kernels say what the compiled modules have."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import pytest

import cy_kernels

KERNELS = Path(__file__).resolve().parent.parent / "cy_kernels"
TYPES_ONLY = {"Block", "Buffer"}


def declared(tree: ast.AST) -> set[str]:
    names = set()
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.add(node.target.id)
        elif isinstance(node, ast.ImportFrom):
            names.update(alias.asname for alias in node.names if alias.asname)
    return names


@pytest.mark.parametrize("name", cy_kernels.KERNELS)
def test_every_name_in_the_stub_is_in_the_module_and_its_classes(name: str) -> None:
    module = importlib.import_module(f"cy_kernels.{name}")
    tree = ast.parse((KERNELS / f"{name}.pyi").read_text(encoding="utf-8"))
    missing = [each for each in declared(tree) - TYPES_ONLY if not hasattr(module, each)]
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and hasattr(module, node.name):
            found = getattr(module, node.name)
            missing += [f"{node.name}.{e}" for e in declared(node) if not hasattr(found, e)]
    assert missing == []


@pytest.mark.parametrize("name", cy_kernels.KERNELS)
def test_every_public_function_and_class_of_the_module_is_in_the_stub(name: str) -> None:
    module = importlib.import_module(f"cy_kernels.{name}")
    stub = declared(ast.parse((KERNELS / f"{name}.pyi").read_text(encoding="utf-8")))
    own = {
        each
        for each, value in vars(module).items()
        if not each.startswith("_")
        and callable(value)
        and getattr(value, "__module__", None) in (module.__name__, None)
    }
    assert own - stub == set()
