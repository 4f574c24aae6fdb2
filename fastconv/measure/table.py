"""What was measured: figures, their text, their JSON, their Markdown.  Losses are marked, never hidden."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from math import inf, isfinite
from pathlib import Path
from statistics import fmean, geometric_mean, median
from typing import Any

from .peers import peer_version

__all__ = ["Limit", "Measured", "Result", "Table", "machine"]

LOSS = "<"


@dataclass(frozen=True)
class Measured:
    """One row against one peer: all times in milliseconds a call, ``ours`` and ``theirs`` taken in turn."""

    peer: str
    equal: bool
    difference: float
    allowed: float
    ours: list[float] | tuple[float, ...] = ()
    theirs: list[float] | tuple[float, ...] = ()

    @property
    def ratio(self) -> float | None:
        """Their least time over ours: above 1 we are faster.  None where the answers differ."""
        return min(self.theirs) / min(self.ours) if self.ours and self.theirs else None


@dataclass(frozen=True)
class Limit:
    """What the machine allows at most, see `limits`: milliseconds of our call, a copy, our plan's multiply-adds."""

    ours: list[float] | tuple[float, ...]
    memory: list[float] | tuple[float, ...]
    arithmetic: list[float] | tuple[float, ...]

    @property
    def bound(self) -> str:
        """What takes longer at the least: "memory" or "arithmetic"."""
        return "memory" if min(self.memory) >= min(self.arithmetic) else "arithmetic"

    @property
    def fraction(self) -> float:
        """The limit's time over ours: 1 cannot be bettered."""
        return max(min(self.memory), min(self.arithmetic)) / min(self.ours)


@dataclass(frozen=True)
class Result:
    """One row: the method of our plan, what each peer took, and what the machine allows."""

    name: str
    method: str
    measured: tuple[Measured, ...]
    limit: Limit | None = None

    @property
    def ours(self) -> float | None:
        """Our least time, in milliseconds."""
        times = [t for m in self.measured for t in m.ours]
        if not self.measured and self.limit is not None:  # no peer does this row
            times = list(self.limit.ours)
        return min(times) if times else None

    def against(self, peer: str) -> Measured | None:
        """The measurement against one peer, None where it does not offer the row."""
        return next((m for m in self.measured if m.peer == peer), None)


def machine(peers: tuple[str, ...] = ()) -> dict[str, Any]:
    """What the figures were taken on: processor, system, versions and date."""
    versions = {"python": platform.python_version()}
    for name in ("fastconv", "numba", "numpy"):
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = ""
    versions |= {name: peer_version(name) for name in peers}
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count() or 1,
        "system": f"{platform.system()} {platform.machine()}",
        "versions": versions,
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    }


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


@dataclass(frozen=True)
class Table:
    """A whole run."""

    results: tuple[Result, ...]
    size: tuple[int, int]
    threads: int
    repeat: int
    peers: tuple[str, ...]
    machine: dict[str, Any]

    def summary(self) -> dict[str, dict[str, Any]]:
        """For each peer: rows timed, geometric mean and worst of the ratios, rows lost, rows whose answers differ."""
        found = {}
        for peer in self.peers:
            pairs = [(r.name, m) for r in self.results if (m := r.against(peer)) is not None]
            ratios = {name: m.ratio for name, m in pairs if m.ratio is not None}
            worst = min(ratios, key=lambda name: ratios[name], default=None)
            found[peer] = {
                "rows": len(ratios),
                "geometric_mean": geometric_mean(ratios.values()) if ratios else None,
                "worst": ratios[worst] if worst is not None else None,
                "worst_row": worst,
                "lost": [name for name, ratio in ratios.items() if ratio < 1],
                "differ": [name for name, m in pairs if not m.equal],
            }
        return found

    def limits(self) -> dict[str, dict[str, Any]]:
        """For "memory" and "arithmetic": rows that it bounds, least and mean fraction of the limit, the least's row."""
        found = {}
        for bound in ("memory", "arithmetic"):
            rows = {r.name: r.limit.fraction for r in self.results if r.limit is not None and r.limit.bound == bound}
            if rows:
                least = min(rows, key=lambda name: rows[name])
                mean = fmean(rows.values())
                found[bound] = {"rows": len(rows), "mean": mean, "least": rows[least], "least_row": least}
        return found

    def _cells(self, result: Result) -> list[str]:
        cells = [result.name, result.method, "-" if result.ours is None else f"{result.ours:.3g}"]
        cells.append("" if result.limit is None else f"{result.limit.fraction:.2f} {result.limit.bound}")
        for peer in self.peers:
            m = result.against(peer)
            if m is None:
                cells += ["", ""]
            elif m.ratio is None:
                cells += ["differs", f"by {m.difference:.3g}"]
            else:
                cells += [f"{min(m.theirs):.3g}", f"{m.ratio:.2f}x" + (f" {LOSS}" if m.ratio < 1 else "")]
        return cells

    def _header(self) -> list[str]:
        return [
            "filter",
            "method",
            "fastconv ms",
            "of limit",
            *(word for p in self.peers for word in (f"{p} ms", "ratio")),
        ]

    def heading(self) -> str:
        """One line on the conditions: size, threads, processor, versions."""
        words = ", ".join(f"{name} {number}" for name, number in self.machine["versions"].items() if number)
        threads = "1 thread" if self.threads == 1 else f"{self.threads} threads"
        return f"{self.size[0]} x {self.size[1]}, {threads}, {self.machine['cpu']}; {words}; {self.machine['date']}"

    def closing(self) -> list[str]:
        """A line for each peer (geometric mean, worst row, losses, answers that differ) and for each limit."""
        lines = []
        for peer, s in self.summary().items():
            if s["rows"]:
                text = f"{peer}: geometric mean {s['geometric_mean']:.2f}x over {s['rows']} rows, "
                text += f"worst {s['worst']:.2f}x ({s['worst_row']}), {len(s['lost'])} lost"
            else:
                text = f"{peer}: nothing timed"
            if s["differ"]:
                text += f"; answers differ: {', '.join(s['differ'])}"
            lines.append(text)
        for bound, s in self.limits().items():
            text = f"{bound} bounds {s['rows']} row{'s' * (s['rows'] > 1)}: of its limit mean {s['mean']:.2f}, "
            lines.append(text + f"least {s['least']:.2f} ({s['least_row']})")
        return lines

    def text(self) -> str:
        """The table for a terminal: least times, ratio of theirs to ours, "<" where we lose."""
        grid = [self._header(), *(self._cells(r) for r in self.results)]
        for line in grid:  # room for the mark behind every ratio, so that the figures stay in line
            line[5::2] = [cell if cell.endswith(LOSS) else f"{cell}  " for cell in line[5::2]]
        widths = [max(len(cell) for cell in column) for column in zip(*grid, strict=True)]
        body = [
            [cell.ljust(w) if i < 2 else cell.rjust(w) for i, (cell, w) in enumerate(zip(line, widths, strict=True))]
            for line in grid
        ]
        return "\n".join([self.heading(), "", *("  ".join(line).rstrip() for line in body), "", *self.closing()])

    def markdown(self) -> str:
        """The table for the README."""
        header = self._header()
        rule = [":--", ":--", *["--:"] * (len(header) - 2)]
        grid = [header, rule, *(self._cells(r) for r in self.results)]
        lines = [f"| {' | '.join(line)} |" for line in grid]
        return "\n".join([self.heading(), "", *lines, "", *(f"- {line}" for line in self.closing())])

    def to_json(self) -> str:
        """Everything, every single time included, as JSON."""
        rows = []
        for result in self.results:
            measured = []
            for m in result.measured:
                entry = asdict(m) | {"ratio": m.ratio}
                if not isfinite(m.difference):  # JSON has no infinity
                    entry["difference"] = None
                for side in ("ours", "theirs"):
                    times = entry[side]
                    entry[f"{side}_min"] = min(times) if times else None
                    entry[f"{side}_median"] = median(times) if times else None
                measured.append(entry)
            row: dict[str, Any] = {"name": result.name, "method": result.method, "measured": measured}
            if (limit := result.limit) is not None:
                row["limit"] = asdict(limit) | {"bound": limit.bound, "fraction": limit.fraction}
            rows.append(row)
        whole = {
            "machine": self.machine,
            "size": list(self.size),
            "threads": self.threads,
            "repeat": self.repeat,
            "peers": list(self.peers),
            "rows": rows,
            "summary": self.summary(),
            "limits": self.limits(),
        }
        return json.dumps(whole, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Table:
        """The table that `to_json` wrote; one from before limits were measured has none."""
        whole = json.loads(text)
        results = tuple(
            Result(row["name"], row["method"], tuple(map(_measured, row["measured"])), _limit(row.get("limit")))
            for row in whole["rows"]
        )
        size = (whole["size"][0], whole["size"][1])
        return cls(results, size, whole["threads"], whole["repeat"], tuple(whole["peers"]), whole["machine"])


def _measured(entry: dict[str, Any]) -> Measured:
    gap = inf if entry["difference"] is None else entry["difference"]
    return Measured(entry["peer"], entry["equal"], gap, entry["allowed"], entry["ours"], entry["theirs"])


def _limit(entry: dict[str, Any] | None) -> Limit | None:
    return None if entry is None else Limit(entry["ours"], entry["memory"], entry["arithmetic"])
