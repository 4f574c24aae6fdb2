"""The names that a FILTER word may begin with.  Standard library only: a name is recognised before anything loads."""

from __future__ import annotations

from .arguments import UsageError, nearest

__all__ = ["KERNELS", "OPERATORS", "check", "is_filter", "listing", "split"]

#: word -> operator of the package
OPERATORS = {
    "gaussian": "gaussian",
    "box": "box",
    "unsharp": "unsharp_mask",
    "unsharp_mask": "unsharp_mask",
    "sobel": "sobel",
    "scharr": "scharr",
    "prewitt": "prewitt",
    "farid": "farid",
    "roberts": "roberts",
    "gradient": "gradient_magnitude",
    "gradient_magnitude": "gradient_magnitude",
    "laplace": "laplace",
    "log": "gaussian_laplace",
    "gaussian_laplace": "gaussian_laplace",
    "dog": "difference_of_gaussians",
    "difference_of_gaussians": "difference_of_gaussians",
    "gabor": "gabor",
}
#: words for kernels of `fastconv.kernels` that have no operator of their own
KERNELS = ("binomial", "disk", "emboss", "identity", "motion", "sharpen")
#: words before a kernel's numbers, or a kernel's name: correlated, or convolved (reversed)
LITERAL = ("kernel", "convolve")
_ALL = (*OPERATORS, *KERNELS, *LITERAL)


def split(word: str) -> tuple[str, str]:
    """Name and the text of the parameters.

    >>> split("gaussian:2,order=1")
    ('gaussian', '2,order=1')
    """
    name, _, rest = word.partition(":")
    return name.strip().replace("-", "_"), rest.strip()


def is_filter(word: str) -> bool:
    """Whether a word begins with a filter's name."""
    return split(word)[0] in _ALL


def check(word: str) -> None:
    """Raise the error for a word that is no filter's."""
    if not is_filter(word):
        name = split(word)[0]
        raise UsageError(f"there is no filter {name!r}{nearest(name, _ALL)}; filters are {', '.join(sorted(_ALL))}")


def listing() -> str:
    """The filters, for --help."""
    return """\
filters (parameters are those of the Python functions; 2x3 means 2 for rows and 3 for columns):
  gaussian:SIGMA[,order=0,truncate=4,radius=]     box:SIZE                unsharp[:radius=1,amount=1]
  sobel[:AXIS] scharr prewitt farid               roberts                 laplace
  gradient:SIGMA                                  log:SIGMA               dog:LOW[,high_sigma=]
  gabor:FREQUENCY[,theta=0,bandwidth=1]           sharpen[:amount=1]      emboss
  motion:LENGTH[,angle=0]                         disk:RADIUS             binomial:SIZE   identity
  kernel:'1 2 1; 2 4 2; 1 2 1'                    convolve:'0 1; 2 3'     (kernel reversed)
Without AXIS (0 down the rows, 1 along them) the edge filters give the magnitude of the gradient."""
