"""The interpreter finds what a device would forbid: one hand-written fault after the other."""

from __future__ import annotations

import numpy as np
import pytest
from ptx import Counts, Fault, Memory, parse, run

HEAD = ".version 8.0\n.target sm_80\n.address_size 64\n"
#: %rd1 = source, %rd2 = target, %r1 = number of the thread in its block, %rd3 = 4 times that
START = """
    ld.param.u64 %rd1, [k_0]; ld.param.u64 %rd2, [k_1];
    mov.u32 %r1, %tid.x; mul.wide.u32 %rd3, %r1, 4;
    add.s64 %rd4, %rd1, %rd3; add.s64 %rd5, %rd2, %rd3;
"""


def program(body: str, extra: str = "") -> str:
    """A kernel of two addresses with plenty of registers and 512 bytes of shared memory."""
    return f"""{HEAD}
.visible .entry k(.param .u64 k_0, .param .u64 k_1)
{{
    .reg .pred %p<9>; .reg .b16 %rs<9>; .reg .b32 %r<20>; .reg .f32 %f<20>; .reg .b64 %rd<20>;
    .shared .align 16 .b8 sm[512];
{extra}{START}
{body}
    ret;
}}
"""


def launch(
    body: str, source: np.ndarray, *, blocks: int = 1, threads: int = 32, frozen: bool = True, extra: str = ""
) -> tuple[np.ndarray, Counts]:
    memory = Memory()
    image = memory.copy_of(source)
    image.frozen = frozen
    out = memory.empty(source.shape, source.dtype)
    text = program(body, extra)
    counts = run(parse(text), memory, (blocks,), (threads,), [image.address, out.address])
    return out.array, counts


LINE = np.arange(32, dtype=np.float32)


def fault(body: str, match: str, source: np.ndarray = LINE, **options: object) -> None:
    with pytest.raises(Fault, match=match):
        launch(body, source, **options)  # type: ignore[arg-type]


COPY = "ld.global.f32 %f1, [%rd4]; st.global.f32 [%rd5], %f1;"


def test_copy() -> None:
    got, counts = launch(COPY, LINE)
    assert np.array_equal(got, LINE)
    assert counts.requests == {("global", "ld", 4): 1, ("global", "st", 4): 1}
    assert counts.threads == 32
    assert counts.stored() == 128


def test_reads_past_the_end() -> None:
    fault(COPY, "outside its buffer: byte 128 of 124", LINE[:31])
    fault("ld.global.f32 %f1, [%rd4+4]; st.global.f32 [%rd5], %f1;", "outside its buffer")


def test_reads_before_the_start() -> None:
    fault("ld.global.f32 %f1, [%rd4+-4]; st.global.f32 [%rd5], %f1;", "outside its buffer|no memory")


def test_memory_between_buffers_is_nobodys() -> None:
    memory = Memory()
    one, two = memory.copy_of(LINE), memory.copy_of(LINE)
    low, high = sorted((one, two), key=lambda b: b.address)
    assert high.address - low.address > low.data.size
    with pytest.raises(Fault, match="outside"):
        list(memory.find(np.array([low.address + low.data.size], np.uint64), 4))


def test_store_to_what_is_only_read() -> None:
    fault("mov.f32 %f1, 0f3F800000; st.global.f32 [%rd4], %f1;", "only to be read")


def test_alignment() -> None:
    fault("ld.global.f32 %f1, [%rd4+2]; st.global.f32 [%rd5], %f1;", "misaligned 4-byte")
    fault("ld.global.v4.f32 {%f1,%f2,%f3,%f4}, [%rd1+8];", "misaligned 16-byte")
    fault("ld.global.v2.f32 {%f1,%f2}, [%rd1+4];", "misaligned 8-byte")


def test_vectors_keep_their_order() -> None:
    body = """
    setp.ne.u32 %p1, %r1, 0; @%p1 bra DONE;
    ld.global.v4.f32 {%f1,%f2,%f3,%f4}, [%rd1+16];
    st.global.v4.f32 [%rd2], {%f4,%f3,%f2,%f1};
DONE:
"""
    got, _ = launch(body, LINE)
    assert got[:4].tolist() == [7, 6, 5, 4]
    assert np.isnan(got[4:]).all()


def test_uninitialised_register() -> None:
    fault("st.global.f32 [%rd5], %f1;", "uninitialised register %f1")


def test_register_uninitialised_in_some_threads() -> None:
    body = """
    setp.lt.u32 %p1, %r1, 7; @%p1 bra SKIP;
    mov.f32 %f1, 0f3F800000;
SKIP:
    st.global.f32 [%rd5], %f1;
"""
    fault(body, "%f1, uninitialised in some threads")


def test_register_written_on_both_ways() -> None:
    body = """
    setp.lt.u32 %p1, %r1, 7; @%p1 bra LOW;
    mov.f32 %f1, 0f3F800000; bra.uni JOIN;
LOW:
    mov.f32 %f1, 0f40000000;
JOIN:
    st.global.f32 [%rd5], %f1;
"""
    got, _ = launch(body, LINE)
    assert got.tolist() == [2.0] * 7 + [1.0] * 25


def test_loop_with_another_count_in_every_thread() -> None:
    body = """
    mov.u32 %r2, 0; mov.f32 %f1, 0f00000000;
TOP:
    setp.ge.u32 %p1, %r2, %r1; @%p1 bra END;
    add.f32 %f1, %f1, 0f3F800000; add.u32 %r2, %r2, 1; bra.uni TOP;
END:
    st.global.f32 [%rd5], %f1;
"""
    got, counts = launch(body, LINE)
    assert np.array_equal(got, LINE)
    assert counts.thread_instructions == 32 * (6 + 2 + 2 + 2) + (31 * 32 // 2) * 5


def test_guarded_instruction() -> None:
    body = """
    mov.f32 %f1, 0f3F800000; setp.lt.u32 %p1, %r1, 7;
    @!%p1 mov.f32 %f1, 0f40000000;
    @%p1 st.global.f32 [%rd5], %f1;
    @!%p1 ld.global.f32 %f1, [%rd4];
    @!%p1 st.global.f32 [%rd5], %f1;
"""
    got, counts = launch(body, LINE)
    assert got.tolist() == [1.0] * 7 + LINE[7:].tolist()
    assert counts.accesses["global", "st", 4] == 32


SHARE = """
    mov.u64 %rd6, sm; add.s64 %rd7, %rd6, %rd3; ld.global.f32 %f1, [%rd4];
    st.shared.f32 [%rd7], %f1;
    {barrier}
    xor.b32 %r2, %r1, 1; mul.wide.u32 %rd8, %r2, 4; add.s64 %rd9, %rd6, %rd8;
    ld.shared.f32 %f2, [%rd9]; st.global.f32 [%rd5], %f2;
"""


def test_neighbours_meet_in_shared_memory() -> None:
    got, counts = launch(SHARE.format(barrier="bar.sync 0;"), LINE)
    assert np.array_equal(got, LINE.reshape(-1, 2)[:, ::-1].ravel())
    assert counts.conflicts() == 1.0


def test_race_without_a_barrier() -> None:
    fault(SHARE.format(barrier=""), "race in shared memory: read of what another thread wrote")


def test_race_of_a_write_with_a_read() -> None:
    fault(
        SHARE.format(barrier="bar.sync 0;") + "st.shared.f32 [%rd7], %f2;",
        "race in shared memory: write of what another",
    )


def test_race_of_two_writes() -> None:
    fault("mov.u64 %rd6, sm; st.shared.u32 [%rd6], %r1;", "two threads write one word at once")


def test_many_readers_are_no_race() -> None:
    body = """
    mov.u64 %rd6, sm; setp.ne.u32 %p1, %r1, 0; @%p1 bra WAIT;
    mov.f32 %f1, 0f40A00000; st.shared.f32 [%rd6], %f1;
WAIT:
    bar.sync 0; ld.shared.f32 %f2, [%rd6]; st.global.f32 [%rd5], %f2;
"""
    assert launch(body, LINE)[0].tolist() == [5.0] * 32
    fault(body + "st.shared.f32 [%rd6], %f2;", "race in shared memory")


def test_unwritten_shared_memory() -> None:
    fault("mov.u64 %rd6, sm; ld.shared.f32 %f1, [%rd6];", "no thread has written")


def test_shared_memory_ends() -> None:
    fault("mov.u64 %rd6, sm; mov.f32 %f1, 0f00000000; st.shared.f32 [%rd6+512], %f1;", "outside its 512 bytes")


def test_global_instruction_on_a_shared_address() -> None:
    fault("mov.u64 %rd6, sm; ld.global.f32 %f1, [%rd6];", "access to shared memory")


def test_divergent_barrier() -> None:
    fault("setp.lt.u32 %p1, %r1, 7; @%p1 bra OUT; bar.sync 0;\nOUT:\n", "divergent barrier: threads wait")
    two = "setp.lt.u32 %p1, %r1, 7; @%p1 bra LOW; bar.sync 0; bra.uni OUT;\nLOW:\n bar.sync 0;\nOUT:\n"
    fault(two, "divergent barrier: threads of a block wait at two")


def test_barrier_of_one_block_lets_the_others_be() -> None:
    body = """
    mov.u32 %r3, %ctaid.x; setp.eq.u32 %p1, %r3, 0; @%p1 bra OUT; bar.sync 0;
OUT:
    mul.wide.u32 %rd6, %r3, 128; add.s64 %rd7, %rd5, %rd6; cvt.rn.f32.u32 %f1, %r3; st.global.f32 [%rd7], %f1;
"""
    got, _ = launch(body, np.zeros(96, np.float32), blocks=3)
    assert got.tolist() == [0.0] * 32 + [1.0] * 32 + [2.0] * 32


def test_read_only_load_of_what_is_written() -> None:
    body = "ld.global.nc.f32 %f1, [%rd4]; st.global.f32 [%rd4], %f1;"
    fault(body, "read-only load", frozen=False)
    launch("ld.global.f32 %f1, [%rd4]; st.global.f32 [%rd4], %f1;", LINE, frozen=False)


@pytest.mark.parametrize(("step", "sectors"), [(4, 4), (8, 8), (32, 32), (0, 1)])
def test_sectors_a_request(step: int, sectors: int) -> None:
    body = f"mul.wide.u32 %rd6, %r1, {step}; add.s64 %rd7, %rd1, %rd6; ld.global.f32 %f1, [%rd7];"
    _, counts = launch(body, np.zeros(32 * 32, np.float32))
    assert counts.sectors["global", "ld", 4] == sectors
    assert counts.sectors_per_request("ld") == sectors


@pytest.mark.parametrize(("step", "turns"), [(4, 1), (8, 2), (16, 4), (12, 1), (0, 1)])
def test_bank_conflicts(step: int, turns: int) -> None:
    fill = "mov.u64 %rd6, sm; mul.wide.u32 %rd7, %r1, 16; add.s64 %rd8, %rd6, %rd7; mov.f32 %f1, 0f00000000;"
    body = f"""
    {fill} st.shared.v4.f32 [%rd8], {{%f1,%f1,%f1,%f1}}; bar.sync 0;
    mul.wide.u32 %rd9, %r1, {step}; add.s64 %rd10, %rd6, %rd9; ld.shared.f32 %f2, [%rd10];
"""
    _, counts = launch(body, LINE)
    assert counts.wavefronts["shared", "ld", 4] == turns
    assert counts.wavefronts["shared", "st", 16] == 4  # 512 bytes take four turns
    assert counts.least_wavefronts["shared", "st", 16] == 4


def test_warps_are_counted_by_block() -> None:
    _, counts = launch(COPY, np.zeros(48, np.float32), threads=48)
    assert counts.requests["global", "ld", 4] == 2


def test_unknown_instructions_are_faults() -> None:
    fault("atom.global.add.u32 %r2, [%rd1], %r1;", "opcode not implemented: atom")
    fault("bar.warp.sync 0xffffffff;", "barrier is not implemented")


@pytest.mark.parametrize(("blocks", "threads"), [((1,), (1025,)), ((1, 65536), (1,)), ((0,), (1,))])
def test_launches_that_no_device_takes(blocks: tuple[int, ...], threads: tuple[int, ...]) -> None:
    memory = Memory()
    with pytest.raises(Fault, match="not legal"):
        run(parse(program("")), memory, blocks, threads, [0, 0])


def test_arguments_must_match() -> None:
    with pytest.raises(Fault, match="1 arguments, 2 parameters"):
        run(parse(program("")), Memory(), (1,), (1,), [0])


def test_local_memory_is_each_threads_own() -> None:
    extra = "    .local .align 16 .b8 depot[16];\n"
    body = """
    mov.u64 %rd6, depot; st.local.u32 [%rd6+4], %r1; ld.local.u32 %r2, [%rd6+4]; cvt.rn.f32.u32 %f1, %r2;
    st.global.f32 [%rd5], %f1;
"""
    assert np.array_equal(launch(body, LINE, extra=extra)[0], LINE)
    fault("mov.u64 %rd6, depot; st.local.u32 [%rd6+16], %r1;", "outside", extra=extra)


def test_buffers_with_a_pitch_and_an_offset() -> None:
    memory = Memory()
    image = np.arange(12, dtype=np.float32).reshape(3, 4)
    buffer = memory.copy_of(image, pitch=7, offset=1)
    assert buffer.address % 256 == 4
    assert np.array_equal(buffer.array, image)
    assert buffer.array.strides == (28, 4)
    assert np.isnan(buffer.data.view(np.float32)[4:7]).all()
    assert buffer.data.size == 4 * (7 + 7 + 4)
