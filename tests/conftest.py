"""Hypothesis profiles, and a backend that computes with the oracle and records what reached it."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from typing import Any

import numpy as np
import oracle
import pytest
from hypothesis import HealthCheck, settings

from fastconv.core.ir import Caps, Plan

# pytest --hypothesis-profile=more, or pytest -m fuzz
for profile, examples in {"default": 40, "more": 400, "fuzz": 2000}.items():
    settings.register_profile(
        profile, max_examples=examples, deadline=None, suppress_health_check=[HealthCheck.too_slow]
    )
settings.load_profile("default")


def pytest_configure(config: pytest.Config) -> None:
    # before any test module is imported: @given takes the settings that it finds
    if "fuzz" in str(config.getoption("markexpr")).replace("not fuzz", ""):
        settings.load_profile("fuzz")

    if not hasattr(config, "workerinput"):  # workers of pytest-xdist inherit it
        os.environ["FASTCONV_TEST_FOLDER"] = tempfile.mkdtemp(prefix="fastconv-tests-")


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        shutil.rmtree(os.environ.pop("FASTCONV_TEST_FOLDER"), ignore_errors=True)


class Recorder:
    """A backend made of the oracle; ``calls`` holds what it was asked to execute."""

    CAPS = Caps("cpu", frozenset({"line", "window", "sum", "spectrum"}))

    def __init__(self) -> None:
        self.calls: list[dict[str, Any]] = []

    def execute(self, plans: tuple[Plan, ...], combine: str, image: np.ndarray, out: np.ndarray, workers: int) -> None:
        self.calls.append({"plans": plans, "combine": combine, "image": image, "out": out, "workers": workers})
        answers = []
        for plan in plans:
            p = plan.problem
            origin = tuple(b // d - k // 2 for b, d, k in zip(p.before, p.dilation, p.size, strict=True))
            answers.append(
                oracle.correlate(
                    image,
                    plan.weights.dense,
                    p.axes,
                    mode=p.mode,
                    cval=p.cval,
                    origin=origin,
                    stride=p.stride,
                    dilation=p.dilation,
                )
            )
        value = (oracle.added if combine == "sum" else oracle.magnitude)(answers).value
        stored = oracle.stored(value, out.dtype)
        out[...] = stored if out.dtype.kind == "f" else np.rint(stored)


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Recorder]:
    """The engine's backend replaced by a `Recorder`, with empty caches before and after."""
    from fastconv.engine import clear_caches, dispatch

    fake = Recorder()
    monkeypatch.setattr(dispatch, "_backend", lambda name: fake)
    clear_caches()
    yield fake
    clear_caches()
