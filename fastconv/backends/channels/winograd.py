"""Winograd executors (first version)."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np

from fastconv.core.border import source_index
from fastconv.core.channels import ChannelProblem
from fastconv.core.threads import run, scratch
from fastconv.loops import channels_winograd as loops
from fastconv.loops.channels_strip import ZERO_ROW
from fastconv.loops.vec import lanes

from .lines import address

TILES_AT_ONCE = {True: {1: (16, 8, 4), 2: (12, 8, 4), 3: (8, 4, 2)}, False: {1: (8, 4, 2), 2: (6, 4, 2), 3: (3, 2, 1)}}


def nones(n):
    return (None,) * n


def _up(a, b):
    return -(-a // b)


class Shape:
    def __init__(self, p: ChannelProblem, outs: int, rows=None) -> None:
        self.p = p
        self.outs = outs
        size = p.dtype.itemsize
        self.size = size
        wide = lanes(size)
        c, o = p.group_in, p.group_out
        self.lin = wide if c % wide == 0 or _up(c, wide) * wide - c < wide // 2 else wide // 2
        self.lout = wide if o % wide == 0 or _up(o, wide) * wide - o < wide // 2 else wide // 2
        self.blocks = _up(c, self.lin)
        vs = _up(o, self.lout)
        self.vectors = 2 if vs % 2 == 0 else 3 if vs % 3 == 0 else 1 if vs == 1 else 2
        self.out_blocks = _up(vs, self.vectors)
        self.ny, self.nx = outs + p.size[0] - 1, outs + p.size[1] - 1
        self.products = self.ny * self.nx
        self.tiles = tuple(self._tiles(n, d) for n, d in zip(p.out_shape, p.dilation, strict=True))
        self.r = rows or 1
        self.q = self.tiles[1]
        self.sizes = TILES_AT_ONCE[wide * size == 64][self.vectors]
        self.panel = _up(self.r * self.q, self.sizes[2]) * self.sizes[2]
        dy, dx = p.dilation
        self.strip = (_up(self.r, dy) * dy * outs + dy * self.ny) * (_up(self.q, dx) * dx * outs + dx * self.nx) * self.lin + 1024
        self.v_turn = self.panel * self.lin
        self.v_step = self.blocks * self.v_turn + 16
        self.whole = self.vectors * self.lout
        self.m_step = self.panel * self.whole + 16
        px = 64
        self.piece = max(1, px // (outs * dx)) * dx
        self.u_step = self.blocks * self.lin * self.whole + self.whole
        self.u_block = self.products * self.u_step

    def _tiles(self, n, d):
        blocks = _up(n, d * self.outs)
        return (blocks - 1) * d + min(d, n - (blocks - 1) * d * self.outs)


class WinogradExecutor:
    name = "winograd"

    def __init__(self, problem: ChannelProblem, weight: np.ndarray, outs: int = 4, rows=None) -> None:
        p = self.problem = problem
        s = self.s = Shape(p, outs, rows)
        size = s.size
        consts: dict[str, Any] = dict(ACC=p.dtype.type, SIZE=size, IN=nones(s.lin), OUT=nones(s.lout), OUTS=nones(outs),
            TAPS_Y=nones(p.size[0]), TAPS_X=nones(p.size[1]), VECTORS=nones(s.vectors),
            LARGE=nones(s.sizes[0]), MIDDLE=nones(s.sizes[1]), SMALL=nones(s.sizes[2]))
        self.f_in = loops.panel_operands.address(**consts)
        self.f_out = loops.panel_results.address(**consts)
        f_w = loops.transformed_weights.address(**consts)
        self.go = loops.run_panel.compiled(*(0,) * 17)
        # tables
        dy, dx = p.dilation
        h, w = p.shape
        far = [n * d * outs + d * 8 for n, d in zip((_up(t, d) for t, d in zip(s.tiles, p.dilation)), p.dilation)]
        rows_ = source_index(h, p.before[0], p.after[0], p.mode)
        cols = source_index(w, p.before[1], p.after[1], p.mode)
        table = np.full(max(far[0], len(rows_)), ZERO_ROW, np.int64)
        table[: len(rows_)] = np.where(rows_ < 0, ZERO_ROW, rows_ * (w * size))
        columns = np.full(max(far[1], len(cols)), -1, np.int64)
        columns[: len(cols)] = cols
        self.tables = table, columns
        f = dict(rows=address(table), columns=address(columns), low=p.before[1], high=p.before[1] + w, plane=h * w * size,
            channels=p.group_in, dilation_y=dy, dilation_x=dx, blocks=s.blocks, v_turn=s.v_turn * size, v_step=s.v_step * size,
            m_step=s.m_step * size, out_h=p.out_shape[0], out_w=p.out_shape[1], out_channels=p.group_out, u_step=s.u_step * size,
            u_block=s.u_block * size, piece=s.piece)
        self.job = np.array([f[k] for k in loops.FIELDS], np.int64)
        self.u = np.zeros(p.groups * s.out_blocks * s.u_block, p.dtype)
        tmp = np.empty(loops.CHUNK * p.taps * s.lout + 64 * 16, p.dtype)
        for g in range(p.groups):
            loops.run_weights(f_w, address(weight) + g * p.group_out * p.group_in * p.taps * size, p.group_in, p.group_out, 0, s.out_blocks,
                s.u_block * size, s.u_step * size, address(tmp), address(self.u) + g * s.out_blocks * s.u_block * size)

    def execute(self, x, out, bias, workers) -> None:
        p, s = self.problem, self.s
        size = s.size
        b = np.zeros((p.groups, s.out_blocks * s.whole), p.dtype)
        if bias is not None:
            b[:, : p.group_out] = bias.reshape(p.groups, p.group_out)
        panels = _up(s.tiles[0], s.r)
        h, w = p.shape
        job = address(self.job)

        def task(index):
            index, k = divmod(index, panels)
            n, g = divmod(index, p.groups)
            strip = scratch("winograd strip", s.strip, p.dtype)
            v = scratch("winograd v", s.products * s.v_step, p.dtype)
            m = scratch("winograd m", s.products * s.m_step, p.dtype)
            piece = scratch("winograd piece", s.piece * s.outs * s.outs * s.lout + 1024, p.dtype)
            self.go(self.f_in, self.f_out, job, address(x) + (n * p.c_in + g * p.group_in) * h * w * size, s.blocks,
                k * s.r, min((k + 1) * s.r, s.tiles[0]), 0, s.q, address(strip), address(v),
                address(self.u) + g * s.out_blocks * s.u_block * size, s.out_blocks, address(m), address(piece),
                address(b) + g * s.out_blocks * s.whole * size,
                address(out) + (n * p.c_out + g * p.group_out) * math.prod(p.out_shape) * size)

        run(task, panels * p.batch * p.groups, workers)
