"""Each opcode of the interpreter against arithmetic written out here."""

from __future__ import annotations

import math

import numpy as np
import pytest
from ptx import Memory, parse, run
from ptx.operations import compare, converted

LETTER = {
    "u8": "rs",
    "s8": "rs",
    "u16": "rs",
    "s16": "rs",
    "b16": "rs",
    "f16": "rs",
    "u32": "r",
    "s32": "r",
    "b32": "r",
    "f32": "f",
}
LETTER |= {"u64": "rd", "s64": "rd", "b64": "rd", "f64": "fd", "pred": "p"}
NUMPY = {
    "u8": "u1",
    "s8": "i1",
    "u16": "u2",
    "s16": "i2",
    "b16": "u2",
    "f16": "f2",
    "u32": "u4",
    "s32": "i4",
    "b32": "u4",
    "f32": "f4",
}
NUMPY |= {"u64": "u8", "s64": "i8", "b64": "u8", "f64": "f8"}


def apply(text: str, sources: list[tuple[str, list]], target: str) -> list:
    """Run one instruction, ``{d}`` its result and ``{0}``, ``{1}`` its operands, one thread for each set of values."""
    count = len(sources[0][1])
    memory = Memory()
    arrays = [memory.copy_of(np.array(values, NUMPY[kind])) for kind, values in sources]
    out = memory.empty(count, NUMPY[target])
    lines = ["mov.u32 %r90, %tid.x;"]
    names = []
    for k, (kind, _) in enumerate(sources):
        size = np.dtype(NUMPY[kind]).itemsize
        names.append(f"%{LETTER[kind]}{k + 1}")
        load = kind.replace("f16", "b16")
        lines.append(
            f"mul.wide.u32 %rd{50 + k}, %r90, {size}; ld.param.u64 %rd{60 + k}, [k_{k}]; "
            f"add.s64 %rd{70 + k}, %rd{50 + k}, %rd{60 + k}; ld.global.{load} {names[-1]}, [%rd{70 + k}];"
        )
    result = f"%{LETTER[target]}40"
    lines.append(text.format(*names, d=result) + ";")
    size = np.dtype(NUMPY[target]).itemsize
    lines.append(
        f"mul.wide.u32 %rd80, %r90, {size}; ld.param.u64 %rd81, [k_out]; add.s64 %rd82, %rd80, %rd81; "
        f"st.global.{target.replace('f16', 'b16')} [%rd82], {result};"
    )
    params = ", ".join(f".param .u64 k_{k}" for k in [*range(len(sources)), "out"])
    declared = ("pred %p", "b16 %rs", "b32 %r", "f32 %f", "b64 %rd", "f64 %fd")
    registers = " ".join(f".reg .{one}<99>;" for one in declared)
    body = "\n".join(lines)
    source = f".version 8.0\n.visible .entry k({params})\n{{\n{registers}\n{body}\nret;\n}}\n"
    run(parse(source), memory, (1,), (count,), [*(a.address for a in arrays), out.address])
    return out.array.tolist()


I32 = [0, 1, -1, 7, -7, 2**31 - 1, -(2**31)]


def wrap(value: int, bits: int = 32) -> int:
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


@pytest.mark.parametrize("a", I32)
def test_integers(a: int) -> None:
    b = [3, -3, 1, -1, 1000, 2**31 - 1, -(2**31)]
    pair = [("s32", [a] * len(b)), ("s32", b)]
    assert apply("add.s32 {d}, {0}, {1}", pair, "s32") == [wrap(a + v) for v in b]
    assert apply("sub.s32 {d}, {0}, {1}", pair, "s32") == [wrap(a - v) for v in b]
    assert apply("mul.lo.s32 {d}, {0}, {1}", pair, "s32") == [wrap(a * v) for v in b]
    assert apply("mul.hi.s32 {d}, {0}, {1}", pair, "s32") == [a * v >> 32 for v in b]
    assert apply("mul.wide.s32 {d}, {0}, {1}", pair, "s64") == [a * v for v in b]
    assert apply("min.s32 {d}, {0}, {1}", pair, "s32") == [min(a, v) for v in b]
    assert apply("max.s32 {d}, {0}, {1}", pair, "s32") == [max(a, v) for v in b]
    if abs(a) < 2**31:
        assert apply("div.s32 {d}, {0}, {1}", pair, "s32") == [abs(a) // abs(v) * (1 if a * v >= 0 else -1) for v in b]
        assert apply("rem.s32 {d}, {0}, {1}", pair, "s32") == [int(math.fmod(a, v)) for v in b]


def test_unsigned_high_words() -> None:
    a, b = [2**64 - 1, 2**63 + 12345, 3], [2**64 - 1, 2**40 + 1, 2**63]
    pair = [("u64", a), ("u64", b)]
    assert apply("mul.hi.u64 {d}, {0}, {1}", pair, "u64") == [x * y >> 64 for x, y in zip(a, b, strict=True)]
    a, b = [-5, 2**62, -(2**63)], [2**63 - 1, -(2**62), -1]
    pair = [("s64", a), ("s64", b)]
    assert apply("mul.hi.s64 {d}, {0}, {1}", pair, "s64") == [x * y >> 64 for x, y in zip(a, b, strict=True)]
    assert apply("mul.hi.u32 {d}, {0}, {1}", [("u32", [2**32 - 1]), ("u32", [2**31])], "u32") == [2**31 - 1]


def test_multiply_add() -> None:
    three = [("s32", [2**31 - 1, -4]), ("s32", [2, 9]), ("s32", [5, 6])]
    assert apply("mad.lo.s32 {d}, {0}, {1}, {2}", three, "s32") == [wrap((2**31 - 1) * 2 + 5), -30]
    wide = [*three[:2], ("s64", [2**40, -1])]
    assert apply("mad.wide.s32 {d}, {0}, {1}, {2}", wide, "s64") == [(2**31 - 1) * 2 + 2**40, -37]


def test_fused_multiply_add_rounds_once() -> None:
    x = np.float32(1 + 2**-12)
    floats = [("f32", [x]), ("f32", [x]), ("f32", [-1.0])]
    fused = apply("fma.rn.f32 {d}, {0}, {1}, {2}", floats, "f32")
    assert fused == [float(np.float32(float(x) * float(x) - 1))]
    assert fused != [float(np.float32(x * x) - np.float32(1))]


def test_least_and_most_of_floats_pass_nan_over() -> None:
    pair = [("f32", [1.0, math.nan, 3.0]), ("f32", [2.0, 5.0, math.nan])]
    assert apply("min.f32 {d}, {0}, {1}", pair, "f32") == [1.0, 5.0, 3.0]
    assert apply("max.f32 {d}, {0}, {1}", pair, "f32") == [2.0, 5.0, 3.0]
    assert [math.isnan(v) for v in apply("max.NaN.f32 {d}, {0}, {1}", pair, "f32")] == [False, True, True]


@pytest.mark.parametrize(
    ("word", "wanted"),
    [
        ("lt", [True, False, False]),
        ("ltu", [True, False, True]),
        ("ne", [True, False, False]),
        ("neu", [True, False, True]),
        ("eq", [False, True, False]),
        ("equ", [False, True, True]),
        ("num", [True, True, False]),
        ("nan", [False, False, True]),
    ],
)
def test_comparisons_of_floats(word: str, wanted: list[bool]) -> None:
    x, y = np.array([1, 2, math.nan], np.float32), np.array([2, 2, 2], np.float32)
    assert compare(word, x, y).tolist() == wanted


def test_unsigned_comparisons_are_unsigned() -> None:
    pair = [("u32", [2**32 - 1, 0]), ("u32", [1, 1])]
    text = "setp.hi.u32 %p1, {0}, {1}; selp.b32 {d}, 1, 0, %p1"
    assert apply(text, pair, "u32") == [1, 0]
    assert apply(text.replace("hi.u32", "gt.s32"), pair, "u32") == [0, 0]


def test_predicates_combine() -> None:
    text = """setp.gt.s32 %p1, {0}, 0; setp.lt.and.s32 %p2|%p3, {0}, 5, %p1;
    selp.b32 %r30, 1, 0, %p2; selp.b32 %r31, 2, 0, %p3; or.b32 {d}, %r30, %r31"""
    assert apply(text, [("s32", [-1, 3, 9])], "s32") == [0, 1, 2]
    text = """setp.gt.s32 %p1, {0}, 0; not.pred %p2, %p1; and.pred %p3, %p2, %p1; or.pred %p4, %p3, %p2;
    selp.b32 {d}, 1, 0, %p4"""
    assert apply(text, [("s32", [-1, 3])], "s32") == [1, 0]


def test_shifts() -> None:
    pair = [("b32", [1, 2**31, 5, 5]), ("u32", [31, 31, 32, 40])]
    assert apply("shl.b32 {d}, {0}, {1}", pair, "b32") == [2**31, 0, 0, 0]
    assert apply("shr.u32 {d}, {0}, {1}", pair, "u32") == [0, 1, 0, 0]
    pair = [("s32", [-8, -8, 8]), ("u32", [1, 99, 99])]
    assert apply("shr.s32 {d}, {0}, {1}", pair, "s32") == [-4, -1, 0]
    three = [("u32", [0x89ABCDEF]), ("u32", [0x01234567]), ("u32", [8])]
    assert apply("shf.l.wrap.b32 {d}, {0}, {1}, {2}", three, "u32") == [0x23456789]
    assert apply("shf.r.wrap.b32 {d}, {0}, {1}, {2}", three, "u32") == [0x6789ABCD]


def test_fields_and_bytes() -> None:
    word = [("u32", [0x89ABCDEF])]
    assert apply("bfe.u32 {d}, {0}, 8, 8", word, "u32") == [0xCD]
    assert apply("bfe.s32 {d}, {0}, 24, 8", word, "s32") == [0x89 - 256]
    assert apply("bfi.b32 {d}, {0}, 0, 16, 8", [("u32", [0x1AB])], "u32") == [0xAB0000]
    assert apply("prmt.b32 {d}, {0}, {1}, 0x5410", [("u32", [0x33221100]), ("u32", [0x77665544])], "u32") == [
        0x55441100
    ]
    assert apply("prmt.b32 {d}, {0}, 0, 0x4448", [("u32", [0x80])], "u32") == [0xFF]
    assert apply("popc.b32 {d}, {0}", word, "u32") == [0x89ABCDEF.bit_count()]
    assert apply("clz.b32 {d}, {0}", [("u32", [1, 0])], "u32") == [31, 32]
    assert apply("brev.b32 {d}, {0}", [("u32", [1, 6])], "u32") == [2**31, 3 << 29]
    assert apply("lop3.b32 {d}, {0}, 0xFF, 0xF0F, 0xE2", word, "u32") == [0x89ABCDEF & 0xFF | 0xF0F & ~0xFF]


def test_words_of_bytes() -> None:
    three = [("u32", [0x01020304]), ("u32", [0xFF020304]), ("s32", [100])]
    assert apply("dp4a.u32.u32 {d}, {0}, {1}, {2}", three, "s32") == [100 + 255 + 4 + 9 + 16]
    assert apply("dp4a.s32.s32 {d}, {0}, {1}, {2}", three, "s32") == [100 - 1 + 4 + 9 + 16]
    assert apply("mov.b32 {{%rs1, %rs2}}, {0}; mov.b32 {d}, {{%rs2, %rs1}}", [("u32", [0x12345678])], "u32") == [
        0x56781234
    ]


def test_shuffle() -> None:
    lanes = [("u32", list(range(32)))]
    assert apply("shfl.sync.bfly.b32 {d}, {0}, 1, 31, -1", lanes, "u32") == [v ^ 1 for v in range(32)]
    assert apply("shfl.sync.up.b32 {d}|%p1, {0}, 2, 0, -1", lanes, "u32") == [0, 1, *range(30)]
    assert apply("shfl.sync.idx.b32 {d}, {0}, 5, 31, -1", lanes, "u32") == [5] * 32


def test_float_to_integer_rounds_and_saturates() -> None:
    x = np.array([0.5, 1.5, 2.5, -0.5, -3.7, 300.0, math.nan, math.inf, -math.inf], np.float32)
    assert converted(x, np.dtype("u1"), {"rni"}).tolist() == [0, 2, 2, 0, 0, 255, 0, 255, 0]
    assert converted(x, np.dtype("i4"), {"rzi"}).tolist() == [0, 1, 2, 0, -3, 300, 0, 2**31 - 1, -(2**31)]
    assert converted(x, np.dtype("i4"), {"rmi"}).tolist()[:5] == [0, 1, 2, -1, -4]
    big = np.array([1e30, -1e30, 2.0**62], np.float64)
    assert converted(big, np.dtype("i8"), {"rni"}).tolist() == [2**63 - 1, -(2**63), 2**62]
    assert apply("cvt.rni.s32.f32 {d}, {0}", [("f32", [2.5, -2.5])], "s32") == [2, -2]


def test_integer_conversions() -> None:
    assert apply("cvt.sat.u8.s32 %rs30, {0}; cvt.u32.u8 {d}, %rs30", [("s32", [-4, 7, 999])], "u32") == [0, 7, 255]
    assert apply("cvt.u32.u8 {d}, {0}", [("u32", [0x1FF])], "u32") == [255]
    assert apply("cvt.s64.s32 {d}, {0}", [("s32", [-4])], "s64") == [-4]
    assert apply("cvt.u64.u32 {d}, {0}", [("s32", [-4])], "u64") == [2**32 - 4]
    assert apply("cvt.s16.s8 {d}, {0}", [("u16", [0x80])], "s16") == [-128]
    assert apply("cvt.rn.f32.s64 {d}, {0}", [("s64", [2**24 + 1])], "f32") == [2.0**24]


def test_halves() -> None:
    assert apply("cvt.f32.f16 {d}, {0}", [("f16", [1.5, -65504.0])], "f32") == [1.5, -65504.0]
    assert apply("cvt.rn.f16.f32 {d}, {0}", [("f32", [2049.0, 1e6, 2.0**-25])], "f16") == [2048.0, math.inf, 0.0]


def test_roots_and_signs() -> None:
    assert apply("sqrt.rn.f32 {d}, {0}", [("f32", [9.0, 2.0])], "f32") == [3.0, float(np.sqrt(np.float32(2)))]
    assert apply("rcp.rn.f32 {d}, {0}", [("f32", [4.0])], "f32") == [0.25]
    assert apply("neg.f32 {d}, {0}", [("f32", [4.0])], "f32") == [-4.0]
    assert apply("abs.s32 {d}, {0}", [("s32", [-4, 4])], "s32") == [4, 4]
    assert apply("not.b32 {d}, {0}", [("u32", [0])], "u32") == [2**32 - 1]
    assert apply("div.rn.f64 {d}, {0}, {1}", [("f64", [1.0]), ("f64", [3.0])], "f64") == [1 / 3]


def test_constant_tables() -> None:
    text = """.version 8.0
.global .align 4 .b8 table[12] = {1, 0, 0, 0, 2, 0, 0, 0, 255, 255, 255, 255};
.visible .entry k(.param .u64 k_0, .param .align 4 .b8 k_1[8])
{
    .reg .b32 %r<9>; .reg .b64 %rd<9>;
    ld.param.u64 %rd1, [k_0]; ld.param.u32 %r1, [k_1+4];
    mov.u64 %rd2, table; ld.global.nc.u32 %r2, [%rd2+8]; add.s32 %r3, %r1, %r2; st.global.u32 [%rd1], %r3;
    ret;
}
"""
    memory = Memory()
    out = memory.empty(1, np.int32)
    run(parse(text), memory, (1,), (1,), [out.address, tuple([0] * 4 + [9, 0, 0, 0])])
    assert out.array.tolist() == [8]
