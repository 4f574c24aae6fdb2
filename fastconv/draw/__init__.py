"""Pictures of kernels, of plans and of convolution arithmetic, for notebooks, documentation and doubt.

Each function returns a `matplotlib.figure.Figure` of its own (a notebook shows it; no pyplot state is touched) and
writes it when a path is given.  matplotlib is an optional extra and is imported when the first picture is drawn:
``pip install "fastconv[plot]"``.
"""

from __future__ import annotations

from .cells import arithmetic
from .heat import kernel
from .offers import plan

__all__ = ["arithmetic", "kernel", "plan"]
