"""What the process that `tests.forked` forks from has imported: packages of others, and nothing of this one."""

from importlib import import_module

import numba

for _name in (
    "einops",
    "jaxtyping",
    "matplotlib.backends.backend_agg",
    "matplotlib.backends.backend_pdf",
    "pandas",
    "psutil",
    "pyarrow.parquet",
    "rich.table",
    "safetensors.torch",
    "scipy.stats",
    "seaborn",
    "torch",
    "tqdm",
    "tyro",
):
    import_module(_name)

numba.njit(lambda x: x)(1)  # the first compilation of a process imports the compiler
