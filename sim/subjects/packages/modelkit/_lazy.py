"""A module whose names are those of its submodules, which are imported at the first use."""

from __future__ import annotations

import importlib
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, Dict, List


class LazyModule(ModuleType):
    def __init__(
        self, name: str, spec: ModuleSpec, submodules: Dict[str, str], version: str
    ) -> None:
        super().__init__(name)
        self.__spec__ = spec
        self.__file__ = spec.origin
        self.__path__ = list(spec.submodule_search_locations or [])
        self.__version__ = version
        self._submodules = submodules

    def __dir__(self) -> List[str]:
        return [*super().__dir__(), *self._submodules]

    def __getattr__(self, name: str) -> Any:
        if name not in self._submodules:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        module = importlib.import_module(f"{self.__name__}.{self._submodules[name]}")
        value = getattr(module, name)
        setattr(self, name, value)
        return value
