"""How a convolution is cut for Winograd's algorithm: lanes, tiles of registers, panels, and the memory they take.

Two ways.  "panels": each worker takes whole panels, with scratch of its own, and the transformed weights of all
channels are kept.  "blocks", for small images of many channels: the transformed image is shared, and workers take
blocks of output channels, whose weights they transform as they come, so that these never lie in memory whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from fastconv.core.border import source_index
from fastconv.core.channels import ChannelProblem
from fastconv.loops import channels_winograd as loops
from fastconv.loops.channels_strip import ZERO_ROW
from fastconv.loops.channels_winograd_axes import axis_counts
from fastconv.loops.vec import lanes, vector_bytes

from .lines import address

__all__ = ["Layout", "layout"]

#: tiles of a register tile, for each number of output channel vectors beside them
REGISTER_TILES = (
    {1: (16, 8, 4), 2: (12, 8, 4), 3: (8, 4, 2)} if vector_bytes() == 64 else {1: (8, 4, 2), 2: (6, 4, 2), 3: (4, 2, 1)}
)
#: bytes of a panel's transformed image: it shares a core's second cache with weights and products
PANEL_BYTES = 320 * 1024
#: tiles of an image up to which it is one panel that all workers share, and bytes of its transformed weights from
#: which that pays
SHARED_TILES = 64
SHARED_WEIGHTS = 512 * 1024
#: bytes of a block's transformed weights, at most, where a block of one vector can have so few
BLOCK_BYTES = 640 * 1024
#: columns of outputs turned from channel vectors to rows at once
PIECE = 32
#: samples behind each part of scratch that whole vectors may touch
_SLACK = 256


def _up(a: int, b: int) -> int:
    return -(-a // b)


@dataclass(frozen=True, eq=False)
class Layout:
    """Everything about a problem and F(outs) that does not depend on the numbers.

    shared: the second way; samples: images of a panel; panel: its tile rows and columns; scratch, image: bytes of a
    worker's scratch and of the shared transformed image; weights: samples of all transformed weights; block: of one
    block's; job: the table for the loops, constants: of their specialisation; tables: held, since the job points there.
    """

    outs: int
    shared: bool
    samples: int
    panel: tuple[int, int]
    panels: int
    blocks: int
    out_blocks: int
    strip: int
    scratch: int
    image: int
    weights: int
    block: int
    bias: int
    job: np.ndarray
    constants: dict[str, Any]
    tables: tuple[np.ndarray, np.ndarray]

    def total(self, workers: int, kept: bool = False) -> int:
        """Bytes beside image, output and weights.  kept: an earlier call has transformed these."""
        made = 0 if kept else workers * self.block if self.shared else self.weights
        return max(workers * self.scratch, self.turned) + self.image + made * self.constants["SIZE"]

    @property
    def turned(self) -> int:
        """Bytes of scratch in which weights are turned: those of some input channels, and one vector of outputs."""
        lanes_out, size = len(self.constants["OUT"]), self.constants["SIZE"]
        taps = len(self.constants["TAPS_Y"]) * len(self.constants["TAPS_X"])
        channels = min(loops.CHUNK, self.blocks * len(self.constants["IN"]))
        return (channels * taps + lanes_out) * lanes_out * size


def _lanes(channels: int, wide: int) -> int:
    """Lanes of a channel vector: half as many where whole vectors would be half empty."""
    empty = -channels % wide
    return wide // 2 if empty >= wide // 2 and channels < 4 * wide else wide


def steps(p: ChannelProblem) -> tuple[int, int]:
    """How each axis moves, see `fastconv.loops.channels_winograd_axes`."""
    if p.kind == "transposed":
        return 3 + p.before[0] % 2, 3 + p.before[1] % 2
    return p.stride


def _tiles(n: int, dilation: int, outs: int) -> int:
    whole = _up(n, dilation * outs) - 1
    return whole * dilation + min(dilation, n - whole * dilation * outs)


@lru_cache(maxsize=256)
def layout(p: ChannelProblem, outs: int, shared: bool | None = None, tiles_at_once: int = 0) -> Layout:
    """The layout of a problem for F(outs x outs); ``shared``, ``tiles_at_once``: for measuring, chosen where absent."""
    size = p.dtype.itemsize
    wide = lanes(size)
    lanes_in, lanes_out = _lanes(p.group_in, wide), _lanes(p.group_out, wide)
    blocks, vectors_out = _up(p.group_in, lanes_in), _up(p.group_out, lanes_out)
    vectors = 2 if vectors_out % 2 == 0 else 3 if vectors_out % 3 == 0 else min(vectors_out, 2)
    step_y, step_x = steps(p)
    (ny, products_y, advance, made), (nx, products_x, _, _) = (
        axis_counts(outs, k, step) for k, step in zip(p.size, (step_y, step_x), strict=True)
    )
    products = products_y * products_x
    dy, dx = p.dilation
    tiles_y, tiles_x = (_tiles(n, d, made) for n, d in zip(p.out_shape, p.dilation, strict=True))
    piece = max(1, PIECE // (made * dx)) * dx
    one_vector = products * blocks * lanes_in * lanes_out * size  # bytes of its transformed weights
    if shared is None:
        shared = tiles_y * tiles_x <= SHARED_TILES and vectors_out * one_vector >= SHARED_WEIGHTS
    if shared and vectors * one_vector > BLOCK_BYTES:
        vectors = 1
    whole = vectors * lanes_out
    out_blocks = _up(vectors_out, vectors)
    u_step = blocks * lanes_in * whole + whole
    u_block = products * u_step
    weights = p.groups * out_blocks * u_block
    register_tiles = REGISTER_TILES[vectors]
    tile_samples = products * blocks * lanes_in

    def covered(tiles: int) -> int:
        """Tiles that the register tiles for some tiles touch."""
        whole = tiles // register_tiles[0] * register_tiles[0]
        return whole + min(n for n in (0, *register_tiles) if n >= tiles - whole)

    def parts(samples: int, panel: tuple[int, int], image: int) -> tuple[int, ...]:
        """Samples of strip, V, M, piece; ``image``: tiles of V."""
        at_once = covered(samples * panel[0] * panel[1])
        rows = _up(panel[0], dy) * dy * advance + dy * (ny - advance)
        columns = _up(panel[1], dx) * dx * advance + dx * (nx - advance)
        strip = rows * columns * lanes_in + lanes_in * lanes_in
        turned = loops.CHUNK * p.taps * lanes_out + lanes_out * lanes_out
        v_step = blocks * (image or at_once) * lanes_in + 16
        return (
            max(strip, turned if shared else 0) + _SLACK,
            products * v_step + _SLACK,
            products * (at_once * whole + 16) + _SLACK,
            made * piece * made * lanes_out + lanes_out * lanes_out + _SLACK,
        )

    limit = p.memory_limit
    if shared:
        room = max(1, SHARED_TILES // (tiles_y * tiles_x))
        samples = min(p.batch, room)
        panel = (max(dy, (64 if outs == 1 else 16) // tiles_x // dy * dy) if samples == 1 else tiles_y, tiles_x)
        panel = (min(panel[0], tiles_y), tiles_x)
    else:
        samples = 1
        most = tiles_at_once or max(register_tiles[0], PANEL_BYTES // (tile_samples * size))
        for workers in (2, 1):
            at_once = most
            while at_once > register_tiles[0]:
                panel = _panel(at_once, (tiles_y, tiles_x), (dy, piece))
                if tiles_at_once or workers * sum(parts(1, panel, 0)) * size + weights * size <= limit:
                    break
                at_once = at_once * 3 // 4
            else:
                panel = _panel(register_tiles[0], (tiles_y, tiles_x), (dy, piece))
                if workers == 2 and 2 * sum(parts(1, panel, 0)) * size + weights * size > limit:
                    continue
            break
    image = covered(samples * tiles_y * tiles_x) + covered(1) if shared else 0
    strip, v, m, piece_samples = parts(samples, panel, image)
    at_once = covered(samples * panel[0] * panel[1])
    reach_y, reach_x = tiles_y * advance + dy * ny, tiles_x * advance + dx * nx
    tables = _table(p, 0, reach_y, ZERO_ROW, p.shape[1] * size), _table(p, 1, reach_x, -1, 1)
    front = _front(p, 1)
    h, w = p.shape
    out_plane = p.out_shape[0] * p.out_shape[1]
    samples_of = {
        "plane": h * w, "v_turn": (image or at_once) * lanes_in, "v_step": blocks * (image or at_once) * lanes_in + 16,
        "m_step": at_once * whole + 16, "u_step": u_step, "u_block": u_block,
        "x_sample": p.c_in * h * w, "x_group": p.group_in * h * w,
        "out_sample": p.c_out * out_plane, "out_group": p.group_out * out_plane,
        "u_group": out_blocks * u_block, "bias_group": out_blocks * whole, "pixel": lanes_in,
        "at_v": strip, "at_m": strip if shared else strip + v, "at_piece": (strip if shared else strip + v) + m,
    }  # fmt: skip
    numbers = {
        "rows": address(tables[0]), "columns": address(tables[1]), "low": max(front, 0), "high": max(front + w, 0),
        "channels": p.group_in, "dilation_y": dy, "dilation_x": dx, "blocks": blocks, "out_h": p.out_shape[0],
        "out_w": p.out_shape[1], "out_channels": p.group_out, "out_blocks": out_blocks, "piece": piece,
        "tiles_y": tiles_y, "tiles_x": tiles_x, "panel_y": panel[0], "panel_x": panel[1], "groups": p.groups,
        "weight_in": (p.group_out if p.kind == "transposed" else 1) * p.taps * size,
        "weight_out": (1 if p.kind == "transposed" else p.group_in) * p.taps * size,
        **{name: count * size for name, count in samples_of.items()},
    }  # fmt: skip
    constants = {
        "ACC": p.dtype.type, "SIZE": size, "IN": (None,) * lanes_in, "OUT": (None,) * lanes_out,
        "OUTS": (None,) * outs, "TAPS_Y": (None,) * p.size[0], "TAPS_X": (None,) * p.size[1],
        "VECTORS": (None,) * vectors, "LARGE": (None,) * register_tiles[0], "MIDDLE": (None,) * register_tiles[1],
        "SMALL": (None,) * register_tiles[2], "STEP_Y": (None,) * step_y, "STEP_X": (None,) * step_x,
        "ADVANCE": advance, "MADE": made, "SAMPLES_Y": ny, "SAMPLES_X": nx, "PRODUCTS": products,
    }  # fmt: skip
    return Layout(
        outs=outs,
        shared=shared,
        samples=samples,
        panel=panel,
        panels=p.batch * p.groups * _up(tiles_y, panel[0]) * _up(tiles_x, panel[1]),
        blocks=blocks,
        out_blocks=out_blocks,
        strip=strip,
        scratch=(samples_of["at_piece"] + piece_samples) * size,
        image=v * size if shared else 0,
        weights=weights,
        block=u_block,
        bias=out_blocks * whole,
        job=np.array([numbers[name] for name in loops.FIELDS], np.int64),
        constants=constants,
        tables=tables,
    )


def _panel(at_once: int, tiles: tuple[int, int], steps: tuple[int, int]) -> tuple[int, int]:
    """Tile rows and columns of a panel of about ``at_once`` tiles: evenly many rows, or a part of one row."""
    rows, columns = tiles
    if columns > at_once:
        parts = _up(columns, max(at_once // steps[1], 1) * steps[1])
        return min(rows, steps[0]), min(columns, _up(_up(columns, parts), steps[1]) * steps[1])
    most = max(at_once // columns // steps[0], 1) * steps[0]
    parts = _up(rows, most)
    return min(rows, _up(_up(rows, parts), steps[0]) * steps[0]), columns


def _front(p: ChannelProblem, axis: int) -> int:
    """Padded samples in front of the image: of an adjoint, those before its first one that an output reads."""
    if p.kind != "transposed":
        return p.before[axis]
    return (p.size[axis] - 1 - p.before[axis]) // 2


def _table(p: ChannelProblem, axis: int, reach: int, nothing: int, step: int) -> np.ndarray:
    """Where each of ``reach`` padded samples of an axis stands, in steps; ``nothing`` for zeros, and beyond."""
    if p.kind == "transposed":
        front = _front(p, axis)
        index = np.arange(-front, p.shape[axis])
    else:
        index = source_index(p.shape[axis], p.before[axis], p.after[axis], p.mode)
    table = np.full(max(len(index), reach), nothing, np.int64)
    table[: len(index)] = np.where(index < 0, nothing, index * step)
    return table
