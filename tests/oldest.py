"""What makes a process compute as on the oldest processor that torch supports."""

from __future__ import annotations

from numpy._core import _multiarray_umath as numpy_core

CAPS = {
    "OPENBLAS_CORETYPE": "Nehalem",
    "ATEN_CPU_CAPABILITY": "default",
    "MKL_CBWR": "COMPATIBLE",
    "ONEDNN_MAX_CPU_ISA": "SSE41",
    "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-FMA,-AVX512F",
    "NPY_DISABLE_CPU_FEATURES": " ".join(
        name for name in numpy_core.__cpu_dispatch__ if numpy_core.__cpu_features__.get(name)
    ),
}
