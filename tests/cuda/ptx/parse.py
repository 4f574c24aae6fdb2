"""PTX text -> a Program: parameters, register widths, shared, local and constant memory, instructions, basic blocks."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import numpy as np

from ptx.faults import Fault
from ptx.words import DTYPES

#: instructions after which a thread may be somewhere else
ENDS = {"bra", "ret", "exit", "bar", "barrier"}
_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
_ENTRY = re.compile(r"\.entry\s+([\w$]+)\s*\(([^)]*)\)([^{]*)\{(.*?)\n\}", re.DOTALL)
_PARAM = re.compile(r"\.param\s+(?:\.align\s+\d+\s+)?\.(\w+)\b.*?([\w$]+)(?:\[(\d+)\])?$", re.DOTALL)
_REGISTERS = re.compile(r"\.reg\s+\.(\w+)\s+([^;]+);")
_ARRAY = re.compile(r"\.(shared|local)\s+\.align\s+(\d+)\s+\.(\w+)\s+([\w$]+)(?:\[(\d*)\])?\s*;")
_TABLE = re.compile(r"\.(?:global|const)\s+\.align\s+(\d+)\s+\.(\w+)\s+([\w$]+)\[\d*\]\s*=\s*\{([^}]*)\}")
_DIRECTIVE = re.compile(r"(?<!\w)\.(?:reg|local|shared|pragma)\b[^;]*;|^\s*\.(?:loc|file)\b[^\n]*$", re.MULTILINE)
_STATEMENT = re.compile(r"(?:@(!?)(%\w+)\s+)?([a-z][\w.:]*)\s*(.*)$", re.DOTALL)


@dataclass(frozen=True)
class Instruction:
    """One statement: a guard, the opcode cut at its dots, operands, and the text for messages."""

    guard: str | None
    negated: bool
    opcode: tuple[str, ...]
    operands: tuple[str, ...]
    text: str

    @property
    def name(self) -> str:
        return self.opcode[0]

    @property
    def registers(self) -> set[str]:
        return set(re.findall(r"%[\w]+", self.text))


@dataclass(frozen=True)
class Block:
    """Instructions that run one after the other: from ``start`` up to ``end``; ``local`` registers live only here."""

    start: int
    end: int
    local: frozenset[str]


@dataclass
class Program:
    """One kernel, ready to run."""

    name: str
    params: list[tuple[str, np.dtype, int]]
    widths: dict[str, np.dtype]
    shared: dict[str, int]
    shared_bytes: int
    local: dict[str, int]
    local_bytes: int
    tables: dict[str, np.ndarray]
    code: list[Instruction]
    labels: dict[str, int]
    blocks: dict[int, Block] = field(default_factory=dict)

    def width(self, register: str) -> np.dtype:
        """The declared dtype of a register."""
        try:
            return self.widths[re.sub(r"\d+$", "", register) if register not in self.widths else register]
        except KeyError:
            raise Fault(f"register {register} is not declared") from None


def split(text: str) -> list[str]:
    """Operands at commas, braces and brackets kept together."""
    parts, depth, part = [], 0, ""
    for character in text:
        depth += (character in "{[") - (character in "}]")
        if character == "," and depth == 0:
            parts.append(part.strip())
            part = ""
        else:
            part += character
    return [*parts, part.strip()] if part.strip() else parts


def _layout(kind: str, *scopes: str) -> tuple[dict[str, int], int]:
    """Offsets of the arrays of one state space, and how many bytes they take together."""
    offsets: dict[str, int] = {}
    size = 0
    for scope in scopes:
        for space, align, dtype, name, count in _ARRAY.findall(scope):
            if space == kind:
                size = -(-size // int(align)) * int(align)
                offsets[name] = size
                size += (int(count) if count else 0) * DTYPES[dtype].itemsize
    return offsets, size


def _code(body: str) -> tuple[list[Instruction], dict[str, int]]:
    code: list[Instruction] = []
    labels: dict[str, int] = {}
    for line in _DIRECTIVE.sub("", body).replace("\n\t{", "\n").split("\n"):
        rest = line.strip()
        label = re.match(r"([\w$]+):(?!:)", rest)
        if label:
            labels[label[1]] = len(code)
            rest = rest[label.end() :].strip()
        for statement in (part.strip() for part in rest.split(";")):
            if not statement:
                continue
            found = _STATEMENT.match(statement)
            if not found:
                raise Fault(f"cannot parse: {statement}")
            negated, guard, opcode, operands = found.groups()
            code.append(Instruction(guard, negated == "!", tuple(opcode.split(".")), tuple(split(operands)), statement))
    return code, labels


def _blocks(code: list[Instruction], labels: dict[str, int]) -> dict[int, Block]:
    starts = {0, *labels.values(), *(i + 1 for i, step in enumerate(code) if step.name in ENDS)}
    cuts = sorted(s for s in starts if s < len(code))
    homes: dict[str, set[int]] = {}
    for start, end in zip(cuts, [*cuts[1:], len(code)], strict=True):
        for step in code[start:end]:
            for register in step.registers:
                homes.setdefault(register, set()).add(start)
    blocks = {}
    for start, end in zip(cuts, [*cuts[1:], len(code)], strict=True):
        seen: set[str] = set()
        local: set[str] = set()
        for step in code[start:end]:
            writes = step.operands and step.guard is None and step.name not in {"st", "bra"}
            target = set(re.findall(r"%\w+", step.operands[0])) if writes else set()
            sources = {r for operand in step.operands[1:] for r in re.findall(r"%\w+", operand)}
            local |= {r for r in target - seen - sources if homes[r] == {start}}
            seen |= step.registers
        blocks[start] = Block(start, end, frozenset(local))
    return blocks


def parse(text: str) -> Program:
    """The (only) kernel of a PTX module."""
    text = _COMMENT.sub("", text)
    entries = list(_ENTRY.finditer(text))
    if len(entries) != 1:
        raise Fault(f"{len(entries)} kernels in the text, one is wanted")
    entry = entries[0]
    name, declared, _, body = entry.groups()
    params = []
    for piece in filter(None, (part.strip() for part in declared.split(","))):
        found = _PARAM.match(piece)
        if not found:
            raise Fault(f"cannot parse parameter: {piece}")
        params.append((found[2], DTYPES[found[1]], int(found[3] or 1)))
    widths = {}
    for dtype, names in _REGISTERS.findall(body):
        for one in names.split(","):
            widths[re.sub(r"<\d+>", "", one.strip())] = DTYPES[dtype]
    shared, shared_bytes = _layout("shared", text[: entry.start()], body)
    local, local_bytes = _layout("local", body)
    tables = {
        symbol: np.array([int(v, 0) for v in values.split(",")]).astype(DTYPES[dtype]).view(np.uint8)
        for _, dtype, symbol, values in _TABLE.findall(text)
    }
    code, labels = _code(body)
    program = Program(name, params, widths, shared, shared_bytes, local, local_bytes, tables, code, labels)
    program.blocks = _blocks(code, labels)
    return program
