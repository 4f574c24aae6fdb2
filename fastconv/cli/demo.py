"""``fastconv demo``: the main job on photographs, beside scipy.ndimage."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .arguments import Parser, UsageError, positive

if TYPE_CHECKING:
    import numpy as np

__all__ = ["run"]


@dataclass(frozen=True)
class _Job:
    """One picture, the filter words for it, and how it is stored."""

    picture: tuple[str, ...]  # the first of these that is there
    about: str
    word: str
    options: dict[str, Any] = field(default_factory=dict)
    normalize: bool = False
    signed: str | None = None
    scale: float = 1.0


_JOBS = (
    _Job(("camera",), "edges: the magnitude of the gradient", "sobel", scale=0.25),
    _Job(("coins",), "soft: a Gaussian blur", "gaussian:3"),
    _Job(("retina", "astronaut"), "sharp: more of what a blur takes away", "unsharp:radius=3,amount=1.5"),
    _Job(("coffee", "astronaut"), "soft colours: each colour blurred by itself", "gaussian:6"),
    _Job(
        ("cell", "coins"), "blobs: the Laplacian of a Gaussian, grey where it is 0", "log:3", signed="mid", scale=16.0
    ),
    _Job(("camera",), "a shaken camera: a line of 31 pixels at 30 degrees", "motion:31,angle=30"),
    _Job(
        ("camera",),
        "far edges: a 3 x 3 kernel dilated by 6",
        "kernel:-1 -1 -1; -1 8 -1; -1 -1 -1",
        options={"dilation": 6},
        scale=0.25,
    ),
    _Job(("page", "coins"), "a mean over 25 x 25 pixels", "box:25"),
)


def parser() -> Parser:
    p = Parser(
        prog="fastconv demo",
        usage="fastconv demo [-o DIR] [options]",
        description="Filter photographs, compare with scipy.ndimage, and leave pictures to look at.\n\n"
        "The photographs are those of samples/ in a checkout, else those that scikit-image brings.",
    )
    p.add_argument(
        "-o", "--output", default="fastconv-demo", metavar="DIR", help="folder for them (default fastconv-demo)"
    )
    p.add_argument("--workers", type=positive, metavar="N", help="most threads to use (default: all)")
    p.add_argument("--repeat", type=positive, default=3, metavar="N", help="rounds; the least time counts (default 3)")
    return p


def _folders() -> list[Path]:
    """Where photographs may lie, best first."""
    import importlib.util

    import fastconv

    found = [Path(fastconv.__file__).resolve().parent.parent / "samples", Path.cwd() / "samples"]
    skimage = importlib.util.find_spec("skimage")
    if skimage is not None and skimage.origin:
        found.append(Path(skimage.origin).parent / "data")
    return found


def _find(names: Sequence[str]) -> Path | None:
    folders = _folders()
    paths = (folder / (name + end) for name in names for folder in folders for end in (".png", ".jpg", ".tif"))
    return next((path for path in paths if path.is_file()), None)


def _theirs(word: str, image: np.ndarray, parameters: dict[str, Any]) -> Callable[[], np.ndarray]:
    """The same filter asked of scipy.ndimage, of a float image whose last axis, if third, is colour."""
    import numpy as np
    from scipy import ndimage as ndi

    def sigma(value: float) -> tuple[float, ...]:
        return (value, value, 0.0)[: image.ndim]

    name = word.partition(":")[0]
    if name == "sobel":
        return lambda: np.hypot(ndi.sobel(image, 0), ndi.sobel(image, 1))
    if name == "gaussian":
        return lambda: ndi.gaussian_filter(image, sigma(parameters["sigma"]))
    if name == "unsharp":
        radius, amount = parameters["radius"], parameters["amount"]
        return lambda: image + amount * (image - ndi.gaussian_filter(image, sigma(radius)))
    if name == "log":
        return lambda: ndi.gaussian_laplace(image, sigma(parameters["sigma"]))
    if name == "box":
        return lambda: ndi.uniform_filter(image, (parameters["size"],) * 2 + (1,) * (image.ndim - 2))
    kernel, step = parameters["kernel"], parameters.get("dilation", 1)
    spread = np.zeros([(n - 1) * step + 1 for n in kernel.shape])  # it has no dilation: zeros between the taps
    spread[::step, ::step] = kernel
    weights = spread.reshape(spread.shape + (1,) * (image.ndim - 2))
    return lambda: ndi.correlate(image, weights)


def _in_turn(calls: Sequence[Callable[[], Any]], rounds: int) -> list[float]:
    """The least time of each call, in milliseconds."""
    best = [float("inf")] * len(calls)
    for _ in range(rounds):
        for i, call in enumerate(calls):
            start = time.perf_counter()
            call()
            best[i] = min(best[i], 1e3 * (time.perf_counter() - start))
    return best


def _one(job: _Job, source: Path, folder: Path, workers: int | None, rounds: int) -> list[str]:
    """Filter one picture both ways; returns the lines that say what came of it."""
    import numpy as np

    from fastconv import files

    from .chain import chain, filtered, stored

    picture = files.read(source)
    steps = chain([job.word], job.options, job.normalize)
    first = filtered(picture, steps, workers)
    image = picture.pixels.astype(np.float32)  # the same floats for both: scipy would round uint8 on its way
    theirs = _theirs(job.word, image, steps[0].parameters)
    ours_ms, theirs_ms = _in_turn([lambda: steps[0](picture.pixels, picture.plane, workers=workers), theirs], rounds)
    apart = float(np.max(np.abs(first.values - theirs())))
    result, said = stored(picture, first, picture.pixels.dtype, job.signed, job.scale)
    target = folder / f"{source.stem}_{job.word.partition(':')[0]}.png"
    said += files.write(target, result)
    work = sum(plan.multiplications for plan in first.plans[-1])
    lines = [
        f"{source.name}: {picture}",
        f"  filter   {' '.join([job.word, *(f'--{k} {v}' for k, v in job.options.items())])}   {job.about}",
        f"  plan     {first.methods[0]}, {work:.4g} multiplications a pixel",
        f"  time     {ours_ms:.2f} ms (the first call {1e3 * first.seconds:.0f} ms); scipy.ndimage {theirs_ms:.2f} ms: "
        f"{theirs_ms / ours_ms:.2g} times ours",
        f"  agrees   to {apart:.2g} or better, in values up to {float(np.max(np.abs(first.values))):.4g}",
        f"  wrote    {target}" + "".join(f"; {note}" for note in said),
    ]
    return lines


def run(name: str, words: Sequence[str]) -> int:
    """Every job in turn."""
    given = parser().parse_args(words)
    from fastconv.core.threads import worker_count

    jobs = [(job, source) for job in _JOBS if (source := _find(job.picture)) is not None]
    if not jobs:
        raise UsageError(f"no photographs found in {', '.join(map(str, _folders()))}")
    folder = Path(given.output)
    folder.mkdir(parents=True, exist_ok=True)
    count = worker_count(given.workers)
    print(f"{count} thread{'s' * (count > 1)}; each time is the least of {given.repeat}, taken in turn\n")
    for job, source in jobs:
        print("\n".join(_one(job, source, folder, given.workers, given.repeat)), end="\n\n", flush=True)
    print(f"{len(jobs)} pictures to look at in {folder}")
    return 0
