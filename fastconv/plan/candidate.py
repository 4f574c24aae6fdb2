"""What an algorithm hands to `choose`: a way of serving the problem, or a few words why it has none."""

from __future__ import annotations

from dataclasses import dataclass

from fastconv.core.ir import Caps, Problem, Term

from .cost import Counts, estimate

__all__ = ["Candidate", "Refusal", "candidate"]


@dataclass(frozen=True, eq=False)
class Candidate:
    """One way of computing the result: the parts of a Plan that depend on the algorithm.

    ``counts`` are the pieces of work that ``cost_ns`` is made of; ``note`` says, as one sentence
    without a full stop, why or when this way is right.
    """

    method: str
    terms: tuple[Term, ...]
    counts: Counts
    cost_ns: float
    multiplications: float
    error_bound: float
    rank: int | None = None
    note: str = ""


@dataclass(frozen=True)
class Refusal:
    """Why an algorithm cannot serve, in a few words."""

    reason: str


def candidate(
    problem: Problem,
    caps: Caps,
    method: str,
    terms: tuple[Term, ...],
    counts: Counts,
    *,
    multiplications: float,
    error_bound: float,
    rank: int | None = None,
    note: str = "",
) -> Candidate | Refusal:
    """The candidate with its cost, unless the backend lacks one of its pass kinds."""
    missing = {p.kind for term in terms for p in term.passes} - caps.kinds
    if missing:
        return Refusal(f"the {caps.backend} backend has no {' or '.join(sorted(missing))} pass")
    cost = estimate(problem, method, counts, caps)
    return Candidate(method, terms, counts, cost, multiplications, error_bound, rank, note)
