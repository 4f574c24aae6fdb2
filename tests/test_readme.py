"""The README tells the truth: its commands are those that are checked, its examples run, its tables are up to date."""

from __future__ import annotations

import doctest
import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from fastconv import measure
from fastconv.core.border import ALIASES, MODES

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
SHELL = re.findall(r"^```(?:sh|bash|shell)\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("block", [0, 1])
def test_ci_runs_the_two_commands_word_for_word(block: int) -> None:
    script = [line.strip() for line in (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()]
    lines = SHELL[block].strip().splitlines()
    assert len(lines) >= 2
    at = [script.index(line) for line in lines if line in script]
    assert len(at) == len(lines), f".ci/run does not run {[line for line in lines if line not in script]}"


def test_the_first_command_is_the_main_job_and_the_second_the_tests() -> None:
    assert "fastconv demo" in SHELL[0]
    assert "[" not in SHELL[0], "the main job needs no extra"
    assert "-m pytest" in SHELL[1].strip().splitlines()[-1]


def test_examples_run() -> None:
    found = doctest.DocTestParser().get_doctest(README, {}, "README.md", "README.md", 0)
    assert len(found.examples) > 10
    output: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    failed, _ = runner.run(found, out=output.append)
    assert not failed, "".join(output)


def test_generated_parts_are_up_to_date() -> None:
    script = load(ROOT / "bench" / "update_readme.py")
    assert script.filled(README) == README, "run python bench/update_readme.py"


def test_tables_of_smaller_sizes_are_folded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = load(ROOT / "bench" / "update_readme.py")
    monkeypatch.setattr(script, "RESULTS", tmp_path)
    assert "Not measured yet" in script.benchmark_table()
    rows = (measure.Result("a row", "direct", (measure.Measured("scipy", True, 0.0, 1.0, [1.0], [3.0]),)),)
    for size, threads in (((256, 256), 1), ((1081, 1923), 1), ((2048, 2048), 2), ((2048, 2048), 1)):
        table = measure.Table(rows, size, threads, 1, ("scipy",), measure.machine())
        (tmp_path / f"{size[0]}x{size[1]}-threads{threads}.json").write_text(table.to_json(), encoding="utf-8")
    text = script.benchmark_table()
    open_part, *folded = text.split("<details>")
    assert re.findall(r"^\d+ x \d+, \d thread", open_part, re.MULTILINE) == [
        "2048 x 2048, 1 thread",
        "2048 x 2048, 2 thread",
    ]
    summaries = [re.findall("<summary>(.*)</summary>", part) for part in folded]
    assert summaries == [
        ["1081 x 1923, 1 thread: geometric mean 3.00x of scipy (0 lost)"],
        ["256 x 256, 1 thread: geometric mean 3.00x of scipy (0 lost)"],
    ]
    assert all(part.count("| a row |") == part.count("</details>") == 1 for part in folded)


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert "://" in target or (ROOT / target).exists(), target


def test_border_table_is_the_package_s() -> None:
    section = README.partition("## Borders")[2].partition("\n## ")[0]
    rows = [line.replace("\\|", "!") for line in section.splitlines() if line.startswith("| `") and "\\|" in line]
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    table = {cell[0].split("`")[1]: (cell[1].strip("`").replace("!", "|"), cell[2]) for cell in cells}
    assert {name: picture for name, (picture, _) in table.items()} == {name: row[1] for name, row in MODES.items()}
    aliases = {alias: name for name, (_, words) in table.items() for alias in re.findall(r"`([\w-]+)`", words)}
    assert aliases == ALIASES


@pytest.mark.parametrize("document", ["README.md", ".github/CONTRIBUTING.md"])
def test_files_named_exist(document: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    for name in re.findall(r"(?<![\w/.])((?:bench|samples|tests|fastconv)/[\w/.]*\w)", text):
        assert (ROOT / name).exists(), name
