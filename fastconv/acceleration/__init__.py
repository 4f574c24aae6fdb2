"""`accelerate`: existing code that calls scipy.ndimage runs on fastconv, until it is undone.

Nothing is done at import.  While an acceleration is on, the names of `scipy.ndimage`'s filters stand for functions
that ask `calls` who is to answer; modules that hold one of SciPy's own functions by name hold those instead.
"""

from __future__ import annotations

from types import TracebackType

from . import patch
from .calls import Serving

__all__ = ["Acceleration", "accelerate"]


class Acceleration:
    """What `accelerate` returns: a context manager that is on already, with `undo` and a table of calls."""

    def __init__(self, serving: Serving, report: bool) -> None:
        self._serving, self._report = serving, report
        self._on = False

    def __enter__(self) -> Acceleration:
        if not self._on:
            patch.push(self._serving)
            self._on = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.undo()

    def undo(self) -> None:
        """SciPy's own functions again (unless another acceleration is still on); the second time does nothing."""
        if self._on:
            self._on = False
            patch.drop(self._serving)
            if self._report:
                print(self.table())

    def table(self) -> str:
        """Each function with its calls, how many were served or fell through and why, its time and the time saved."""
        return self._serving.table()

    @property
    def counts(self) -> dict[str, tuple[int, int]]:
        """Function -> calls served, calls that fell through to SciPy."""
        return self._serving.counts()


def accelerate(*, report: bool = False, exact: bool = True) -> Acceleration:
    """Put fastconv's filters in scipy.ndimage's place: for code that calls SciPy, itself or through scikit-image.

    It is on from this call to ``undo()`` of what it returns, or to the end of the ``with`` block, for the whole
    process and all its threads.  Accelerations may be nested and undone in any order: the newest that is on decides.
    A call is answered with SciPy's bits, or by SciPy: where `fastconv.ndimage` differs on purpose, or has an error
    to report.

    Parameters
    ----------
    report : bool
        Print `Acceleration.table` when it is undone.  The first call of each kind is then timed with SciPy too, and
        the time saved is estimated from that, by samples.
    exact : bool
        False allows, for float32 and float64 images, fastconv's own sums, in the image's dtype and with separable
        kernels taken apart: then results lie within ``n u / (1 - n u) x sum |w| |x|`` of the exact sum, n the number
        of taps plus 2 and u half the spacing of the dtype at 1 (1.1e-16 for float64, 6e-8 for float32); one inf or
        NaN may reach as far as the kernel does.

    Returns
    -------
    Acceleration

    Examples
    --------
    >>> import numpy as np
    >>> import scipy.ndimage
    >>> image = np.arange(12.0).reshape(3, 4)
    >>> with accelerate() as on:
    ...     smooth = scipy.ndimage.median_filter(image, size=3)
    >>> on.counts
    {'median_filter': (1, 0)}
    >>> bool((smooth == scipy.ndimage.median_filter(image, size=3)).all())
    True
    """
    return Acceleration(Serving(exact, timed=report), report).__enter__()
