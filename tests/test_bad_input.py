"""Every row of the table of bad input: the exception, its words, and that nothing was written."""

from __future__ import annotations

import ast

import bad_input
import numpy as np
import pytest

SENTINEL = -7


@pytest.mark.parametrize("row", bad_input.WRONG, ids=lambda r: r.what)
def test_wrong_input_raises_and_writes_nothing(row: bad_input.Wrong) -> None:
    with pytest.raises(row.error, match=row.says) as caught:
        bad_input.evaluate(row.call)
    assert type(caught.value) is row.error
    assert len(str(caught.value)) < 500
    if "out=" in row.call or not row.call.startswith("fc.") or row.call.split("(")[0] in _WITHOUT_OUT:
        return
    out = np.full((5, 7), SENTINEL, np.float32)
    with pytest.raises(row.error, match=row.says):
        bad_input.evaluate(f"{row.call[:-1]}, out=out)", {"out": out})
    assert (out == SENTINEL).all()


_WITHOUT_OUT = {"fc.gabor", "fc.explain", "fc.warmup"}


@pytest.mark.parametrize("row", [r for r in bad_input.WRONG if "out=" in r.call], ids=lambda r: r.what)
def test_a_wrong_out_is_left_alone(row: bad_input.Wrong) -> None:
    tree = ast.parse(row.call, mode="eval").body
    assert isinstance(tree, ast.Call)
    given = next(ast.unparse(k.value) for k in tree.keywords if k.arg == "out")
    scope = bad_input.names()
    scope["given"] = eval(given, scope)
    before = np.array(scope["given"], copy=True)
    call = ast.unparse(tree).replace(f"out={given}", "out=given")
    with pytest.raises(row.error, match=row.says):
        eval(call, scope)
    after = np.array(scope["given"], copy=True)
    assert before.dtype == after.dtype
    assert before.tobytes() == after.tobytes()


@pytest.mark.parametrize("row", bad_input.RIGHT, ids=lambda r: r.what)
def test_odd_input_with_an_answer(row: bad_input.Right) -> None:
    got = bad_input.evaluate(row.call)
    assert bad_input.evaluate(row.check, {"got": got}), got


def test_the_table_is_as_long_as_it_should_be() -> None:
    rows = [*bad_input.WRONG, *bad_input.RIGHT]
    assert len(rows) >= 120
    assert len({r.what for r in rows}) == len(rows)
    assert len({r.call for r in rows}) == len(rows)


def test_the_table_prints() -> None:
    lines = bad_input.markdown().splitlines()
    assert len(lines) == 2 + len(bad_input.WRONG) + len(bad_input.RIGHT)
    assert all(line.count(" | ") >= 2 for line in lines[2:])
