"""Where rows come from: commit, versions and machine of a run. Chapter: all with a result table."""

from __future__ import annotations

import datetime
import os
import platform
import subprocess
import uuid
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from modlib.errors import CheckoutMissing
from modlib.files import checkout

VERSIONS = (
    *("numpy", "scipy", "scikit-learn", "tensorflow", "tf-keras", "tensorflow-model-optimization", "torch", "numba"),
    *("igraph", "leidenalg", "clusim", "torch-lucent", "kornia"),
)
INSTRUCTIONS = ("avx2", "fma", "avx512f", "asimd", "sve")  # sets with which sums are rounded otherwise


def describe_run(profile: str) -> dict[str, Any]:
    """Provenance of a run: id, profile, date, commit, versions and machine."""
    return {
        "id": uuid.uuid4().hex[:8],
        "profile": profile,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "commit": commit(),
        "python": platform.python_version(),
        "versions": _versions(),
        "cpu": cpu_name(),
        "instructions": instructions(),
        "blas": blas_kernels(),
        "cores": os.cpu_count(),
    }


def _versions() -> dict[str, str]:
    """Versions of the packages that decide numbers; those of an extra may not be installed."""
    found = {}
    for package in VERSIONS:
        with suppress(PackageNotFoundError):
            found[package] = version(package)
    return found


def commit() -> str:
    """Commit of the checkout, with ``+`` if modlib has changes that are not committed; ``unknown`` without."""
    try:
        git = ["git", "-C", str(checkout())]
        head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
        changed = subprocess.run(
            [*git, "status", "--porcelain", "-uno", "--", "modlib"], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError, CheckoutMissing):
        return "unknown"
    return head + ("+" if changed.stdout.strip() else "")


def cpu_name() -> str:
    """Name of the processor, as the system gives it."""
    return next(iter(_cpuinfo("model name")), "") or platform.processor() or platform.machine()


def instructions() -> list[str]:
    """Those of ``INSTRUCTIONS`` that the processor has; none where the system does not say."""
    flags = set(" ".join([*_cpuinfo("flags")[:1], *_cpuinfo("Features")[:1]]).split())
    return [name for name in INSTRUCTIONS if name in flags]


def blas_kernels() -> list[str]:
    """Library, version and kernels of the linear algebra of NumPy and SciPy, such as ``openblas 0.3.30 Zen``.

    With other kernels the last digits of sums are others, and so is what a network has learned in the end.
    """
    import numpy  # noqa: F401  # loads its library
    import scipy.linalg  # noqa: F401
    from threadpoolctl import threadpool_info

    loaded = [library for library in threadpool_info() if library["user_api"] == "blas"]
    return sorted({f"{b['internal_api']} {b['version']} {b.get('architecture', '')}".rstrip() for b in loaded})


def _cpuinfo(name: str) -> list[str]:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return []
    return [line.split(":", 1)[1].strip() for line in lines if line.partition(":")[0].strip() == name]
