"""The only way down: what a caller said becomes a Problem, a Plan and an executed Plan.

`run` filters, `explain` shows the decision without filtering.  Below this room there is no origin, no flip, no
border word that needs reading and no array that a loop could misunderstand: `arrays` settles images and outputs,
`normalise` settles parameters and coefficients, `dispatch` plans (once for each problem) and executes; `asked` finds
calls again that were made before.
"""

from __future__ import annotations

from .asked import apply, clear_caches
from .dispatch import Maker, explain, run, watch
from .normalise import kernel_weights, taps_weights

__all__ = ["Maker", "apply", "clear_caches", "explain", "kernel_weights", "run", "taps_weights", "watch"]
