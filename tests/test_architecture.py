"""The shape of the package, held by reading its source: who imports whom, what is lazy, what is public, how long.

A failure here means that a decision is being made in a second place.  Move the code, not the rule.
"""

from __future__ import annotations

import ast
import functools
import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import fastconv
from fastconv.core.border import ALIASES, MODES

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "fastconv"
FILES = sorted(PACKAGE.rglob("*.py"))
ALL_FILES = [*FILES, *(f for d in ("tests", "bench", "samples") for f in sorted((ROOT / d).rglob("*.py")))]

#: room -> floor; imports go to lower floors, or stay on their own without a cycle
RANK = {
    "core": 0,
    "loops": 1,
    "backends": 2,
    "plan": 3,
    "engine": 4,
    "filters": 5,
    "kernels": 5,
    "files": 5,
    "draw": 5,
    "measure": 5,
    "information": 5,
    "nn": 5,
    "ndimage": 5,
    "acceleration": 6,
    "demo": 6,
    "cli": 6,
    "__init__": 6,
    "__main__": 6,
}
#: room -> rooms it may not see, although they are lower
CLOSED = {
    "plan": {"backends", "loops"},  # decides from a value (Caps), so that its tests need no compiler
    "kernels": {"engine", "plan", "backends", "loops"},  # coefficients are plain NumPy
    "filters": {"plan", "backends", "loops"},  # engine.run is the only way down
    "files": {"engine", "plan", "backends", "loops"},
    "measure": {"plan", "backends"},  # runs loops of its own: what memory and arithmetic allow at most
}
#: what `import fastconv` must not load
LAZY = ("numba", "llvmlite", "scipy", "dask", "PIL", "skimage", "tifffile", "matplotlib", "cv2", "torch")
#: packages that one room keeps to itself
OWNED = {"numba": "loops", "llvmlite": "loops"}
FORBIDDEN_PARAMETERS = {"input", "filter", "type"}
#: ways of saying "compile this"
COMPILERS = {"njit", "jit", "generated_jit", "vectorize", "guvectorize", "stencil", "cfunc", "prange"}


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@functools.cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


@functools.cache
def module_name(path: Path) -> str:
    parts = list(path.relative_to(ROOT).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in FILES}


def room(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def imports(path: Path) -> Iterator[tuple[str, int]]:
    """Every module that a file imports, wherever it does; ``from fastconv import x`` is x where x is a module."""
    own = module_name(path).split(".")
    package = own if path.name == "__init__.py" else own[:-1]
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            stem = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:
                whole = f"{stem}.{alias.name}"
                yield (whole if whole in MODULES else stem), node.lineno


def ours(path: Path) -> Iterator[tuple[str, int]]:
    return ((name, line) for name, line in imports(path) if name.split(".")[0] == "fastconv")


by_file = pytest.mark.parametrize("path", FILES, ids=relative)


@by_file
def test_imports_go_down(path: Path) -> None:
    own = room(module_name(path))
    assert own in RANK, f"{own} is a new room: give it a floor in RANK"
    for name, line in ours(path):
        other = room(name)
        where = f"{relative(path)}:{line} imports {name}"
        assert other in RANK, where
        assert RANK[other] <= RANK[own], f"{where}: {other} lies above {own}"
        assert other not in CLOSED.get(own, set()), f"{where}: {own} may not see {other}"


def test_no_cycle_between_rooms() -> None:
    edges: dict[str, set[str]] = {}
    for path in FILES:
        own = room(module_name(path))
        edges.setdefault(own, set()).update(room(name) for name, _ in ours(path) if room(name) != own)
    done: set[str] = set()
    while len(done) < len(edges):
        free = {r for r, others in edges.items() if r not in done and others <= done | (others - edges.keys())}
        assert free, f"a cycle among {sorted(edges.keys() - done)}"
        done |= free


@by_file
def test_numba_stays_in_the_loops(path: Path) -> None:
    own = room(module_name(path))
    for name, line in imports(path):
        owner = OWNED.get(name.split(".")[0], own)
        assert owner == own, f"{relative(path)}:{line} imports {name}: only {owner}/ may"


@by_file
def test_only_jit_says_how_to_compile(path: Path) -> None:
    if relative(path) in {"fastconv/loops/jit.py", "fastconv/loops/cuda_target.py"}:
        return
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "numba":
            found = COMPILERS & {alias.name for alias in node.names}
            assert not found, f"{relative(path)}:{node.lineno} imports {found}: compile through loops/jit.py"
        if isinstance(node, ast.Attribute) and node.attr in COMPILERS and isinstance(node.value, ast.Name):
            assert node.value.id not in {"numba", "nb", "cuda"}, f"{relative(path)}:{node.lineno} says {node.attr}"


@by_file
def test_no_parameter_shadows_a_builtin_word(path: Path) -> None:
    if room(module_name(path)) == "ndimage":  # SciPy's own signatures
        return
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            a = node.args
            names = {x.arg for x in (*a.posonlyargs, *a.args, *a.kwonlyargs, a.vararg, a.kwarg) if x is not None}
            assert not names & FORBIDDEN_PARAMETERS, f"{relative(path)}:{node.lineno}: {names & FORBIDDEN_PARAMETERS}"


def _is_border_word(node: ast.expr) -> bool:
    if isinstance(node, ast.Constant):
        return node.value in {*MODES, *ALIASES} if isinstance(node.value, str) else False
    if isinstance(node, ast.Tuple | ast.List | ast.Set):
        return any(_is_border_word(element) for element in node.elts)
    return (isinstance(node, ast.Name) and node.id == "CONSTANT") or (
        isinstance(node, ast.Attribute) and node.attr == "CONSTANT"
    )


@by_file
def test_only_the_border_table_compares_modes(path: Path) -> None:
    if relative(path) == "fastconv/core/border.py":
        return
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Compare):
            words = [side for side in (node.left, *node.comparators) if _is_border_word(side)]
            assert not words, f"{relative(path)}:{node.lineno} compares a border mode: add a column to core/border.py"
        if isinstance(node, ast.MatchValue):
            assert not _is_border_word(node.value), f"{relative(path)}:{node.lineno} matches a border mode"


@pytest.mark.parametrize("path", ALL_FILES, ids=relative)
def test_no_file_is_two_rooms(path: Path) -> None:
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= 400, f"{relative(path)} has {lines} lines: split it by job"


def loaded_after(statement: str) -> set[str]:
    """Which of the lazy packages a fresh interpreter holds after a statement."""
    code = f"{statement}\nimport sys\nprint(*({{m.split('.')[0] for m in sys.modules}} & set({LAZY!r})))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "statement",
    [
        "import fastconv",
        "import fastconv; dir(fastconv); fastconv.__version__",
        "import fastconv; fastconv.kernels.gaussian(1.0)",
        "import fastconv.plan",
        "import fastconv.cli",
        "from fastconv import measure; measure.ROWS[0].image((8, 9))",
    ],
)
def test_importing_loads_nothing_heavy(statement: str) -> None:
    assert loaded_after(statement) == set()


def public_functions() -> list[str]:
    names = [n for n in fastconv.__all__ if inspect.isfunction(getattr(fastconv, n))]
    return names + [
        f"kernels.{n}" for n in fastconv.kernels.__all__ if inspect.isfunction(getattr(fastconv.kernels, n))
    ]


def resolve(name: str) -> object:
    return functools.reduce(getattr, name.split("."), fastconv)


def reference_rows() -> set[str]:
    """Names that the README's reference tables have a row for: | `fc.name(...)` | ... |, several to a cell allowed."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    cells = re.findall(r"^\| ([^|]*`fc\.[^|]*) \|", text, flags=re.MULTILINE)
    return {name for cell in cells for name in re.findall(r"`fc\.([\w.]+)", cell)}


@pytest.mark.parametrize("name", public_functions())
def test_public_docstrings_are_whole(name: str) -> None:
    function = resolve(name)
    text = inspect.getdoc(function) or ""
    assert text, f"{name} has no docstring"
    assert ">>> " in text, f"{name} shows no example"
    parameters = inspect.signature(function).parameters  # type: ignore[arg-type]
    if parameters:
        assert "Parameters" in text, f"{name} does not list its parameters"
        described = text.partition("Parameters")[2]
        missing = [p for p in parameters if not re.search(rf"\b{p}\b", described)]
        assert not missing, f"{name} does not describe {missing}"
    assert "Returns" in text, f"{name} does not say what it returns"


def test_public_names_and_reference_rows_agree() -> None:
    rows = reference_rows()
    names = {n for n in public_functions() if not n.startswith("kernels.")}
    assert not names - rows, f"without a row in README.md: {sorted(names - rows)}"
    for row in sorted(rows):
        assert resolve(row) is not None, f"README.md has a row for {row}, which does not exist"


def test_public_names_exist_and_are_listed() -> None:
    assert sorted(fastconv.__all__) == sorted(set(fastconv.__all__))
    for name in fastconv.__all__:
        assert getattr(fastconv, name) is not None
        assert name in dir(fastconv)
    with pytest.raises(AttributeError, match="no_such_name"):
        fastconv.no_such_name  # noqa: B018
