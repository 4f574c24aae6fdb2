"""The command line: how it reads its words, how it fails, and the commands beside apply."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pictures import CAMERA, COINS, close, errors, pixels, rounded, small
from scipy import ndimage as ndi

import fastconv as fc
from fastconv import kernels
from fastconv.cli import COMMANDS, main, names
from fastconv.cli.apply import parsed

# ---------------------------------------------------------------- the command line itself


@pytest.mark.parametrize(
    ("words", "inputs", "filters"),
    [
        (["a.png", "-o", "b.png", "box:3"], ["a.png"], ["box:3"]),
        (["a.png", "--output=b.png", "box:3", "sobel"], ["a.png"], ["box:3", "sobel"]),
        (["a.png", "-ob.png", "box:3"], ["a.png"], ["box:3"]),
        (
            ["-q", "a.png", "c.png", "--mode", "wrap", "-o", "b/", "--workers", "2", "box:3"],
            ["a.png", "c.png"],
            ["box:3"],
        ),
        (["a.png", "c.png", "box:3", "sobel", "-o", "b/"], ["a.png", "c.png"], ["box:3", "sobel"]),
        (["a.png", "kernel:-1 0 1", "-o", "b/"], ["a.png"], ["kernel:-1 0 1"]),
        (["-o", "b.png", "a.png", "box:3"], None, None),
    ],
)
def test_files_are_told_from_filters(words: list[str], inputs: list[str] | None, filters: list[str] | None) -> None:
    if inputs is None:
        with pytest.raises(Exception, match=r"there is no filter 'a\.png'"):
            parsed(words)
        return
    assert parsed(words)[1:] == (inputs, filters)


def test_a_file_that_is_called_like_a_filter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    small(tmp_path / "box.png")
    (tmp_path / "box.png").rename(tmp_path / "box")
    assert parsed(["box", "sobel", "-o", "b.png"])[1:] == (["box"], ["sobel"])
    assert main(["apply", "box", "-o", "b.png", "box:3"]) == 0


BAD = {
    "no command": ([], "which command"),
    "a command's typo": (["aply"], "did you mean apply"),
    "no output": (["apply", "{in}", "box:3"], "give -o OUT"),
    "no filter": (["apply", "{in}", "-o", "{out}"], "which filter"),
    "no input": (["apply", "-o", "{out}", "box:3"], "which files"),
    "a filter's typo": (["apply", "{in}", "-o", "{out}", "gausian:2"], "did you mean gaussian"),
    "a typo before -o": (["apply", "{in}", "gausian:2", "-o", "{out}"], "did you mean gaussian"),
    "a parameter's typo": (["apply", "{in}", "-o", "{out}", "gaussian:sgima=2"], "did you mean sigma"),
    "a parameter missing": (["apply", "{in}", "-o", "{out}", "gaussian"], "gaussian needs sigma"),
    "a parameter twice": (["apply", "{in}", "-o", "{out}", "gaussian:2,sigma=3"], "one value"),
    "too many parameters": (["apply", "{in}", "-o", "{out}", "laplace:2"], "takes no parameters"),
    "a negative sigma": (["apply", "{in}", "-o", "{out}", "gaussian:-1"], "sigma must be"),
    "text for a number": (["apply", "{in}", "-o", "{out}", "gaussian:two"], "sigma must be"),
    "a wrong axis": (["apply", "{in}", "-o", "{out}", "sobel:2"], "axis must be"),
    "a ragged kernel": (["apply", "{in}", "-o", "{out}", "kernel:1 2; 3"], "same length"),
    "an empty kernel": (["apply", "{in}", "-o", "{out}", "kernel:"], "at least one number"),
    "--normalize of zero": (["apply", "{in}", "-o", "{out}", "kernel:1 -1", "--normalize"], "sum to 0"),
    "--normalize of none": (["apply", "{in}", "-o", "{out}", "box:3", "--normalize"], "there is none"),
    "a wrong mode": (["apply", "{in}", "-o", "{out}", "box:3", "--mode", "mirrored"], "mode must be one of"),
    "a wrong method": (["apply", "{in}", "-o", "{out}", "box:3", "--method", "fast"], "method must be"),
    "a method that cannot": (["apply", "{in}", "-o", "{out}", "disk:3", "--method", "separable"], "separable"),
    "stride 0": (["apply", "{in}", "-o", "{out}", "box:3", "--stride", "0"], "--stride: must be"),
    "workers 0": (["apply", "{in}", "-o", "{out}", "box:3", "--workers", "0"], "--workers: must be"),
    "quality 101": (["apply", "{in}", "-o", "{out}", "box:3", "--quality", "101"], "--quality: must be"),
    "an unknown option": (["apply", "{in}", "-o", "{out}", "box:3", "--sigma", "3"], "unrecognized arguments"),
    "a missing file": (["apply", "none.png", "-o", "{out}", "box:3"], "none.png: No such file"),
    "an ending": (["apply", "{in}", "-o", "{out}.xyz", "box:3"], "'.xyz' is not written"),
    "no folder": (["apply", "{in}", "-o", "none/out.png", "box:3"], "there is no folder"),
    "several into one": (["apply", "{in}", "{in}", "-o", "{out}", "box:3"], "need a folder"),
    "two of one name": (["apply", "{in}", "{in}", "-o", "{dir}/o/", "box:3"], "several inputs"),
    "an empty folder": (["apply", "{empty}", "-o", "{dir}/o/", "box:3"], "no image files"),
    "floats into PNG": (["apply", "{in}", "-o", "{out}", "box:3", "--dtype", "float32"], "cannot hold float32"),
    "too many pixels": (["apply", "{in}", "-o", "{out}", "box:3", "--max-pixels", "100"], "154 pixels, more than"),
    "a kernel's name": (["explain", "gausian:2"], "kernel must be one of"),
    "a size": (["explain", "sobel", "--size", "0x5"], "must be HEIGHTxWIDTH"),
    "a dtype": (["explain", "sobel", "--dtype", "float33"], "dtype must be"),
    "a row": (["bench", "--rows", "nothing-like-it"], "row"),
}


@pytest.mark.parametrize("name", BAD)
def test_errors_are_one_line_and_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    small(tmp_path / "in.png")
    (tmp_path / "empty").mkdir()
    words, message = BAD[name]
    fill = {"in": tmp_path / "in.png", "out": tmp_path / "out.png", "dir": tmp_path, "empty": tmp_path / "empty"}
    assert message in errors(capsys, *(word.format(**fill) if "{" in word else word for word in words))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["empty", "in.png"]


def test_the_words_are_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    operators = {n for n in fc.__all__ if getattr(getattr(fc, n), "__module__", "").startswith("fastconv.filters")}
    assert set(names.OPERATORS.values()) == {n for n in operators if "correlate" not in n and "convolve" not in n}
    assert set(kernels.names()) <= {*names.OPERATORS, *names.KERNELS}
    listing = names.listing()
    for word in (*names.KERNELS, "gaussian", "unsharp", "farid", "gradient", "dog", "log", "gabor"):
        assert word in listing


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_every_command(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main([command, "--help"])
    assert stop.value.code == 0
    assert f"usage: fastconv {command}" in capsys.readouterr().out


HEAVY = ("numba", "scipy", "skimage", "PIL", "numpy", "tifffile", "dask", "matplotlib")
IMPORTS = """
import sys
from fastconv.cli import main
try:
    main({words!r})
except SystemExit:
    pass
print("loaded:", *(name for name in {heavy!r} if name in sys.modules))
"""


@pytest.mark.parametrize(
    "words", [["--help"], ["--version"], *([name, "--help"] for name in COMMANDS), ["apply"]], ids=str
)
def test_help_loads_nothing_heavy(words: list[str]) -> None:
    code = IMPORTS.format(words=words, heavy=HEAVY)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "loaded:"


def test_explain(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "1 2 1; 2 4 2; 1 2 1", "--size", "300x400", "--dtype", "uint8", "--normalize"]) == 0
    said = capsys.readouterr().out
    assert "separable" in said
    assert "300 x 400" in said
    assert "uint8" in said
    assert main(["explain", "disk:3", "--method", "direct", "--dilation", "2"]) == 0
    assert "direct" in capsys.readouterr().out
    assert main(["explain", "--", "-1 0 1"]) == 0


def test_demo(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "-o", str(tmp_path / "out"), "--repeat", "1"]) == 0
    said = capsys.readouterr().out
    pictures = list((tmp_path / "out").iterdir())
    assert len(pictures) >= 7
    for picture in pictures:
        values = pixels(picture)
        assert values.std() > 3, picture  # something to look at
        assert str(picture) in said
    assert said.count("scipy.ndimage") == said.count("  plan  ") == len(pictures)
    for line in said.splitlines():
        if line.startswith("  agrees"):
            assert float(line.split()[2]) < 1e-2


def test_bench_writes_its_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "table.json"
    words = ["bench", "--rows", "sobel", "--size", "40x60", "--repeat", "1", "--peers", "scipy", "--json", str(path)]
    assert main(words) == 0
    assert "scipy" in capsys.readouterr().out
    assert json.loads(path.read_text())


def test_machine_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info"]) == 0
    assert "numba" in capsys.readouterr().out


def test_cache(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FASTCONV_CACHE_DIR", str(tmp_path))
    (tmp_path / "not-ours.txt").write_text("stays")
    assert main(["cache"]) == 0
    assert f"directory  {tmp_path}\n" in capsys.readouterr().out
    assert main(["cache", "--clear"]) == 0
    assert "removed    0 compiled loops" in capsys.readouterr().out
    assert (tmp_path / "not-ours.txt").exists()


# ---------------------------------------------------------------- the whole process


def command(*words: str, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # type: ignore[call-overload,no-any-return]
        [sys.executable, "-W", "error", "-m", "fastconv", *words], capture_output=True, text=True, **options
    )


def test_the_module_is_the_command(tmp_path: Path) -> None:
    done = command("apply", str(COINS), "-o", str(tmp_path / "x.png"), "gaussian:1")
    assert (done.returncode, done.stderr) == (0, "")
    close(pixels(tmp_path / "x.png"), rounded(ndi.gaussian_filter(pixels(COINS).astype(float), 1)))
    done = command("apply", str(COINS), "-o", str(tmp_path / "y.png"), "gausian:1")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("fastconv: error: there is no filter 'gausian' (did you mean gaussian?)")


@pytest.mark.skipif(os.name != "posix", reason="POSIX pipes")
def test_a_closed_pipe_is_quiet() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "fastconv", "explain", "gaussian:2"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        child.stdout.close()
        assert child.stderr.read() == b""
    assert child.returncode == 0


STUCK = """
import sys, time
from fastconv.cli import apply, main
def stuck(*args):
    print("now", flush=True)
    time.sleep(60)
apply._one = stuck
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.skipif(os.name != "posix", reason="POSIX signals")
def test_ctrl_c(tmp_path: Path) -> None:
    words = ["apply", str(COINS), "-o", str(tmp_path / "out") + "/", "gaussian:1"]
    with subprocess.Popen(
        [sys.executable, "-c", STUCK, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        assert child.stdout.readline() == "now\n"
        time.sleep(0.05)
        child.send_signal(signal.SIGINT)
        assert child.stderr.read().strip() == ""
    assert child.returncode == 130
    assert list(tmp_path.iterdir()) == []


def test_progress_is_for_terminals(tmp_path: Path) -> None:
    done = command("apply", str(COINS), str(CAMERA), "-o", str(tmp_path) + "/", "box:3")
    assert (done.returncode, done.stderr) == (0, "")
