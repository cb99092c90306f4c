"""Where rows come from: commit, versions and machine of a run. Chapter: all with a result table."""

from __future__ import annotations

import datetime
import os
import platform
import subprocess
import uuid
from collections.abc import Mapping
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from modlib.errors import CheckoutMissing
from modlib.files import checkout
from modlib.processor import cpu_name, kernels

VERSIONS = (
    *("numpy", "scipy", "scikit-learn", "tensorflow", "tf-keras", "tensorflow-model-optimization", "torch", "numba"),
    *("igraph", "leidenalg", "clusim", "torch-lucent", "kornia"),
)


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
        **kernels(),
        "cores": os.cpu_count(),
    }


def other_kernels(run: Mapping[str, Any]) -> str:
    """Why a network that is trained here may differ from that of a stored run, in words; empty if it must be equal."""
    here = {"python": platform.python_version(), "versions": _versions(), **kernels()}
    run = run.get("trained", run)  # where its networks come from the cache of another machine
    here, run = ({"gpu": "none", **found} for found in (here, run))  # recorded only where there is one
    if unknown := [name for name in here if name not in run]:
        return f"its run did not record: {', '.join(unknown)}"
    differ = [name for name in here if run[name] != here[name]]
    told = [f"{name}: {_told(run[name], here[name])}" for name in differ]
    if run["gpu"] == here["gpu"] != "none":
        told.append(f"gpu: {run['gpu']}, then and here, computes by whichever kernel is the fastest at the time")
    return "; ".join(told)


def _told(there: Any, here: Any) -> str:
    if isinstance(there, Mapping):  # only what differs
        names = sorted(name for name in {*there, *here} if there.get(name) != here.get(name))
        there, here = ([f"{name} {found.get(name, 'none')}" for name in names] for found in (there, here))
    there, here = (found if isinstance(found, str) else ", ".join(found) for found in (there, here))
    return f"{there} then, {here} here"


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
