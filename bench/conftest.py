"""Options of the benchmark cases: image size and threads."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fastconv import measure


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--bench-size", default="512x512", help="height x width of the images (default 512x512)")
    parser.addoption("--bench-threads", type=int, default=1, help="threads for us and for the peers (default 1)")


@pytest.fixture(scope="session")
def bench_size(request: pytest.FixtureRequest) -> tuple[int, int]:
    height, _, width = request.config.getoption("--bench-size").partition("x")
    return int(height), int(width)


@pytest.fixture(scope="session")
def bench_threads(request: pytest.FixtureRequest) -> Iterator[int]:
    threads: int = request.config.getoption("--bench-threads")
    with measure.peer_threads(measure.installed(), threads):
        yield threads
