"""usearch, without the package around it."""

from __future__ import annotations

import ctypes
import importlib
import sys
from contextlib import suppress
from importlib.machinery import PathFinder
from importlib.util import find_spec, module_from_spec
from types import ModuleType

_PACKAGE, _MODULE = "usearch", "usearch.compiled"
_KERNELS = "simsimd"
"""Whose symbols it looks for."""


def compiled() -> ModuleType:
    """The part of usearch that does the work.

    The package around it begins by importing `urllib.request`, for a download that is of no use here. So the part
    alone is loaded, the way the package does it; if that fails, the package.
    """
    # On Windows a folder of libraries has to be named too.
    if _MODULE not in sys.modules and sys.platform != "win32":
        with suppress(ImportError, OSError):
            _load_alone()
    return sys.modules.get(_MODULE) or importlib.import_module(_MODULE)


def _load_alone() -> None:
    ctypes.CDLL(importlib.import_module(_KERNELS).__file__, mode=ctypes.RTLD_GLOBAL)
    package = find_spec(_PACKAGE)
    spec = PathFinder.find_spec(_MODULE, package.submodule_search_locations) if package else None
    if spec is None or spec.loader is None:
        raise ModuleNotFoundError(_MODULE)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    sys.modules[_MODULE] = module
