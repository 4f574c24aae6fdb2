"""Reading a DLPack capsule: address, shape, strides and dtype of a tensor, whoever made it.

The capsule is not consumed: it stays alive with the view, and its own destructor gives the tensor back.
Source: dlpack.h of https://github.com/dmlc/dlpack, version 1.0 (DLTensor, DLManagedTensor, DLManagedTensorVersioned).
"""

from __future__ import annotations

import ctypes
from typing import Any, NamedTuple

import numpy as np

__all__ = ["CUDA", "Tensor", "read"]

#: device types of CUDA memory (kDLCUDA, kDLCUDAManaged)
CUDA = (2, 13)
_KINDS = {0: "i", 1: "u", 2: "f", 6: "b"}


class _DLTensor(ctypes.Structure):
    _fields_ = [
        ("data", ctypes.c_void_p),
        ("device_type", ctypes.c_int32),
        ("device_id", ctypes.c_int32),
        ("ndim", ctypes.c_int32),
        ("code", ctypes.c_uint8),
        ("bits", ctypes.c_uint8),
        ("lanes", ctypes.c_uint16),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
    ]


class _Versioned(ctypes.Structure):
    _fields_ = [
        ("major", ctypes.c_uint32),
        ("minor", ctypes.c_uint32),
        ("manager", ctypes.c_void_p),
        ("deleter", ctypes.c_void_p),
        ("flags", ctypes.c_uint64),
        ("tensor", _DLTensor),
    ]


class Tensor(NamedTuple):
    """What a capsule says; ``strides`` in samples, None where C-contiguous; ``dtype`` None where NumPy has none."""

    pointer: int
    device: int
    shape: tuple[int, ...]
    strides: tuple[int, ...] | None
    dtype: np.dtype | None
    readonly: bool


_get = ctypes.pythonapi.PyCapsule_GetPointer
_get.restype, _get.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
_valid = ctypes.pythonapi.PyCapsule_IsValid
_valid.restype, _valid.argtypes = ctypes.c_int, [ctypes.py_object, ctypes.c_char_p]


def read(capsule: Any) -> Tensor:
    """The tensor in a capsule that nobody has consumed."""
    readonly = False
    if _valid(capsule, b"dltensor_versioned"):
        head = _Versioned.from_address(_get(capsule, b"dltensor_versioned") or 0)
        tensor, readonly = head.tensor, bool(head.flags & 1)
    else:
        tensor = _DLTensor.from_address(_get(capsule, b"dltensor") or 0)
    n = tensor.ndim
    kind = _KINDS.get(tensor.code)
    known = kind is not None and tensor.lanes == 1 and tensor.bits in (8, 16, 32, 64)
    return Tensor(
        (tensor.data or 0) + tensor.byte_offset,
        tensor.device_id,
        tuple(tensor.shape[:n]),
        tuple(tensor.strides[:n]) if tensor.strides else None,
        np.dtype(f"{kind}{tensor.bits // 8}") if known else None,
        readonly,
    )
