"""What a processor does to the last digits of a sum, and how training becomes the same on most of them.

Floating-point sums depend on their order, and that on how many numbers an instruction adds at once. After some thousand
steps of training such a digit has decided what the network is. Chapter: all that train networks.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np

if TYPE_CHECKING:
    import torch

F = TypeVar("F", bound=Callable[..., Any])

# What makes libraries take one thread a process, where several processes run side by side.
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
INSTRUCTIONS = ("avx2", "fma", "avx512f", "asimd", "sve")  # sets with which sums are rounded otherwise
CHOICES = ("XLA_FLAGS", "ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA")  # what makes a library use fewer of them
CACHES = Path("/sys/devices/system/cpu/cpu0/cache")  # where Linux describes them
# Sums in any order let a compiler use vector instructions; infinity stays a number, as a minimum may begin with it.
ANY_ORDER = {"reassoc", "nsz", "arcp", "contract"}
LIMIT = "xla_cpu_max_isa"  # the flag of XLA that limits its instructions


def compiled(instead: Callable[..., Any] | None = None, **options: Any) -> Callable[[F], F]:
    """Compile a function with Numba; where that is missing, as in a browser, take another or leave it as it is.

    Args:
        instead: what does the same with NumPy, for loops that would take too long; the function itself by default.
        options: of ``numba.njit``.

    >>> @compiled(cache=False)
    ... def double(x):
    ...     return 2 * x
    >>> double(3)
    6
    """
    try:
        import numba
    except ImportError:
        return lambda function: _wrapping(cast(Any, instead or function))
    return numba.njit(**options)


def _wrapping(function: F) -> F:
    """The function with whole numbers that wrap around silently, as compiled ones do."""

    @wraps(function)
    def wrapped(*arguments: Any) -> Any:
        with np.errstate(over="ignore"):
            return function(*arguments)

    return cast("F", wrapped)


def limit_xla() -> None:
    """Let XLA write code for AVX2 and no wider instructions, which is what nearly all x86 processors have.

    A training step sums a loss in as many parts as fit in a register; for networks of the papers' size wider ones are
    no faster. To be called before TensorFlow is imported. A limit that ``XLA_FLAGS`` sets already stays.
    """
    flags = os.environ.get("XLA_FLAGS", "")
    if LIMIT not in flags and "avx2" in instructions():
        os.environ["XLA_FLAGS"] = f"{flags} --{LIMIT}=AVX2".strip()


def kernels() -> dict[str, Any]:
    """What decides the last digits of sums on this machine.

    Returns:
        ``instructions``, the sets that it has; ``blas``, see ``blas_kernels``; ``l1``, the size of its first cache, to
        which TensorFlow cuts the parts of a matrix product; ``choices``, the variables that choose among kernels; and
        ``gpu``, its name, where there is one.
    """
    limit_xla()
    gpu = gpu_name()
    choices = {name: os.environ[name] for name in CHOICES if name in os.environ}
    found = {"instructions": instructions(), "blas": blas_kernels(), "l1": first_cache(), "choices": choices}
    return found | ({"gpu": gpu} if gpu else {})


def device() -> str:
    """Where networks are trained that a GPU makes much faster: ``cuda`` if PyTorch can use one, else ``cpu``.

    To hide a GPU, set ``CUDA_VISIBLE_DEVICES`` to nothing. Chapters: ``convolutional-networks``, ``structured-tasks``,
    ``do-the-measures-agree``, ``weight-masks``, ``systematic-generalisation``, ``class-removal``, ``transfer``.
    """
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def gpu_name() -> str:
    """Name of the GPU, as PyTorch gives it; empty where there is none, or no PyTorch, as on Binder."""
    try:
        import torch
    except ImportError:
        return ""
    return torch.cuda.get_device_name() if torch.cuda.is_available() else ""


def cpu_name() -> str:
    """Name of the processor, as the system gives it."""
    return next(iter(_cpuinfo("model name")), "") or platform.processor() or platform.machine()


def instructions() -> list[str]:
    """Those of ``INSTRUCTIONS`` that the processor has; none where the system does not say."""
    flags = set(" ".join([*_cpuinfo("flags")[:1], *_cpuinfo("Features")[:1]]).split())
    return [name for name in INSTRUCTIONS if name in flags]


def first_cache() -> str:
    """Size of the first-level data cache, such as ``32K``; empty where the system does not say."""
    for index in CACHES.glob("index*"):
        try:
            level, kind, size = ((index / name).read_text().strip() for name in ("level", "type", "size"))
        except OSError:
            continue
        if level == "1" and kind != "Instruction":
            return size
    return ""


def blas_kernels() -> list[str]:
    """Library, version and kernels of the linear algebra of NumPy and SciPy, such as ``openblas 0.3.30 Zen``."""
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


@contextmanager
def seeded_numpy(seed: int) -> Iterator[None]:
    """Seed NumPy's global generator, from which some libraries draw, for a while; then put it back as it was."""
    before = np.random.get_state()  # noqa: NPY002
    np.random.seed(seed % 2**32)  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(before)  # noqa: NPY002


@contextmanager
def seeded_torch(seed: int, gpu: torch.device | None = None) -> Iterator[None]:
    """Seed PyTorch's global generator, and that of a GPU if one is named, for a while; then put them back as they were.

    ``torch.manual_seed`` would seed those of all GPUs.
    """
    import torch

    with torch.random.fork_rng(devices=[] if gpu is None else [gpu]):
        torch.default_generator.manual_seed(seed)
        if gpu is not None:
            with torch.cuda.device(gpu):
                torch.cuda.manual_seed(seed)
        yield
