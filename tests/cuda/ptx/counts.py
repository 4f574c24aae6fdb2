"""What a launch did: instructions, memory requests, sectors, wavefronts."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

#: (state space, "ld" or "st", bytes a thread)
Access = tuple[str, str, int]


@dataclass
class Counts:
    """Sums over all threads of a launch; a request is one memory instruction of one warp."""

    threads: int = 0
    thread_instructions: int = 0
    warp_instructions: int = 0
    opcodes: Counter[str] = field(default_factory=Counter)
    requests: Counter[Access] = field(default_factory=Counter)
    accesses: Counter[Access] = field(default_factory=Counter)
    sectors: Counter[Access] = field(default_factory=Counter)
    wavefronts: Counter[Access] = field(default_factory=Counter)
    least_wavefronts: Counter[Access] = field(default_factory=Counter)

    def per_pixel(self, pixels: int) -> float:
        """Executed instructions a pixel: PTX, so a few more than the device's own."""
        return self.thread_instructions / pixels

    def sectors_per_request(self, kind: str) -> float:
        """32-byte sectors that a global request touches, over all widths: 4 is right for 32 bits."""
        keys = [key for key in self.requests if key[:2] == ("global", kind)]
        return sum(self.sectors[key] for key in keys) / max(1, sum(self.requests[key] for key in keys))

    def waste(self, kind: str) -> float:
        """Bytes of the sectors that global requests touch over the bytes they ask for; 1 is perfect."""
        keys = [key for key in self.requests if key[:2] == ("global", kind)]
        return 32 * sum(self.sectors[key] for key in keys) / max(1, sum(key[2] * self.accesses[key] for key in keys))

    def conflicts(self) -> float:
        """Wavefronts of shared memory over the least possible; 1 means no bank conflict."""
        least = sum(self.least_wavefronts.values())
        return sum(self.wavefronts.values()) / least if least else 1.0

    def stored(self) -> int:
        """Bytes stored to global memory."""
        return sum(key[2] * n for key, n in self.accesses.items() if key[:2] == ("global", "st"))

    def summary(self, pixels: int) -> str:
        """Lines for people."""
        lines = [f"{self.per_pixel(pixels):.1f} thread instructions a pixel, {self.threads} threads"]
        for key in sorted(self.requests):
            space, kind, size = key
            n = self.requests[key]
            detail = ""
            if space == "global":
                sectors = self.sectors[key]
                detail = f", {sectors / n:.2f} sectors each (ideal {size}), {32 * sectors / pixels:.2f} B a pixel"
            if space == "shared":
                detail = f", {self.wavefronts[key] / n:.2f} wavefronts each (ideal {max(1, size // 4)})"
            lines.append(f"  {space} {kind} {8 * size}-bit: {n} requests{detail}")
        return "\n".join(lines)
