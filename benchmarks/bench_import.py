"""Seconds to import modlib in a fresh process, beside numpy and scipy, which every measure needs.

The least of five processes each, CPU seconds, with compiled files there already.
"""

import subprocess
import sys

import pandas as pd
from common import store

PROCESSES = 5
CODE = {
    "numpy and scipy": "import numpy, scipy.linalg, scipy.sparse.linalg",
    "modlib": "import modlib as ml",
    "modlib, and cluster": "import modlib as ml; ml.cluster",  # loads numba, which compiles k-means
    "modlib, and learn_mask": "import modlib as ml; ml.learn_mask",  # loads PyTorch
}


def seconds(code: str) -> float:
    """CPU seconds of a process that runs some code, the least of several."""
    timed = f"import time; began = time.process_time(); {code}; print(time.process_time() - began)"
    command = [sys.executable, "-c", timed]
    return min(float(subprocess.check_output(command, text=True)) for _ in range(PROCESSES))


table = pd.DataFrame([{"import": name, "seconds": seconds(code)} for name, code in CODE.items()])
store("import", table.assign(**{"beyond numpy and scipy": table["seconds"] - table["seconds"].iloc[0]}))
