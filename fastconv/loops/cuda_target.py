"""The one module that depends on numba-cuda (or on what succeeds it): import, compile, memory access, launch.

Importing it imports `numba.cuda`, so it is imported when the first device array arrives and not before.  A `Kernel`
is a plain function with its constants put in, compiled for one signature at its first launch.  Its arguments are
addresses, numbers and tuples of numbers: an address costs eight bytes and hides no synchronisation.

Under numba's simulator (NUMBA_ENABLE_CUDASIM=1) the same functions run as Python on flat NumPy arrays; only the wide
loads and stores and the rounding below have a second, plain version.
"""

import functools
import types as pytypes
from contextlib import contextmanager, nullcontext

import numpy as np

if not hasattr(np, "row_stack"):  # numba-cuda 0.30 names it at its first compile; NumPy 2.5 dropped it
    setattr(np, "row_stack", np.vstack)  # noqa: B010

from numba import cuda, types
from numba.core import config

__all__ = [
    "SIMULATED",
    "Kernel",
    "address_of",
    "cuda",
    "device",
    "download",
    "inline",
    "kernel",
    "launch",
    "multiprocessors",
    "number",
    "pointer",
    "synchronise",
    "tuple_of",
    "upload",
    "written",
]

SIMULATED = bool(config.ENABLE_CUDASIM)


# ---------------------------------------------------------------- types


def number(dtype):
    """The compiled type of a dtype; bool is read and written as uint8."""
    dtype = np.dtype(dtype)
    if dtype.kind == "b":
        return types.uint8
    return getattr(types, dtype.name)


def pointer(dtype):
    """The type of an argument that is the address of samples of this dtype."""
    return types.CPointer(number(dtype))


def tuple_of(dtype, count):
    """The type of an argument that is ``count`` numbers of this dtype."""
    return types.UniTuple(number(dtype), count)


# ---------------------------------------------------------------- functions and kernels


def inline(name, lines, **scope):
    """A function made of lines of text: loops over tuples written out, so that nothing is left to be unrolled.

    The compiler inlines it; the simulator runs it as it is.
    """
    return helper(written(name, lines, **scope))


def written(name, lines, **scope):
    """A plain function made of lines of text, with the number types and ``cuda`` among its globals."""
    scope.update(cuda=cuda, float32=types.float32, int32=types.int32, uint32=types.uint32, uint64=types.uint64)
    exec(compile("\n".join(lines) + "\n", f"<fastconv {name}>", "exec"), scope)
    function = scope[name]
    function.text = "\n".join(lines)
    return function


def helper(function):
    """A function that kernels call."""
    if SIMULATED:
        return function
    from numba.cuda.extending import register_jitable

    return register_jitable(function)


#: threads of a block, and blocks that a multiprocessor shall hold at least, for kernels that are launched from now on:
#: None leaves the registers to the compiler; `bench/gpu.py` tries others
launch_bounds = None


class Kernel:
    """A function, its constants in place, and the signature that it is compiled for when first launched."""

    def __init__(self, function, signature, constants):
        scope = {**function.__globals__, **constants}
        self.function = pytypes.FunctionType(function.__code__, scope, function.__name__)
        self.signature = signature
        self.name = function.__name__
        self.text = getattr(function, "text", None)
        self._compiled = {}

    @property
    def compiled(self):
        """What the driver runs, within the launch bounds of the moment."""
        made = self._compiled.get(launch_bounds)
        if made is None:
            made = self._compiled[launch_bounds] = self._made()
        return made

    def _made(self):
        if SIMULATED:
            return cuda.jit(self.function)
        bounds = {} if launch_bounds is None else {"launch_bounds": launch_bounds}
        return cuda.jit(self.signature, **bounds)(self.function)


@functools.lru_cache(maxsize=512)
def _kernel(function, arguments, constants):
    return Kernel(function, types.void(*arguments), dict(constants))


def kernel(function, arguments, **constants):
    """The `Kernel` of a function for argument types, its globals of these names replaced by constants."""
    return _kernel(function, tuple(arguments), tuple(sorted(constants.items(), key=lambda item: item[0])))


def launch(kernel, blocks, threads, stream, arguments):
    """Put one launch on a stream (an integer handle; 0 is the default stream), without waiting for it."""
    _configured(kernel.compiled, blocks, threads, _stream(stream))(*arguments)


def _configured(compiled, *grid):
    """The kernel with its grid; without numba-cuda's warning of small ones, which are no fault of the caller's."""
    if SIMULATED:
        return compiled[grid]
    warn, config.CUDA_LOW_OCCUPANCY_WARNINGS = config.CUDA_LOW_OCCUPANCY_WARNINGS, 0
    try:
        return compiled[grid]
    finally:
        config.CUDA_LOW_OCCUPANCY_WARNINGS = warn


# ---------------------------------------------------------------- device


def _stream(handle):
    return cuda.external_stream(handle) if handle and not SIMULATED else 0


@contextmanager
def _device(number):
    with cuda.gpus[number]:
        yield


def device(number):
    """A context in which launches and allocations go to this device (None: the current one)."""
    return nullcontext() if number is None or SIMULATED else _device(number)


@functools.lru_cache(maxsize=16)
def multiprocessors(number=None):
    """How many multiprocessors a device has."""
    if SIMULATED:
        return 1
    with device(number):
        return cuda.get_current_device().MULTIPROCESSOR_COUNT


def upload(array, stream=0):
    """A device copy of a C-contiguous array, complete when this returns."""
    made = cuda.to_device(array, stream=_stream(stream))
    synchronise(stream)
    return made


def allocate(shape, dtype, stream=0):
    """A new C-contiguous device array of numba's."""
    return cuda.device_array(shape, dtype, stream=_stream(stream))


def download(array, stream=0):
    """A host copy of a device array of numba's; waits for the stream."""
    made = array.copy_to_host(stream=_stream(stream))
    synchronise(stream)
    return made


def synchronise(stream):
    """Wait until everything on a stream is done."""
    if not SIMULATED:
        (_stream(stream) or cuda.default_stream()).synchronize()


def wait_for(stream, other):
    """Let ``stream`` wait for everything that is on ``other`` now, without waiting here."""
    if SIMULATED or stream == other:
        return
    event = cuda.event(timing=False)
    event.record(_stream(other) or cuda.default_stream())
    event.wait(_stream(stream) or cuda.default_stream())


def address_of(array):
    """What a kernel gets for a device array of numba's: its address, or under the simulator the flat array."""
    if SIMULATED:
        return array.copy_to_host().reshape(-1) if not hasattr(array, "_ary") else array._ary.reshape(-1)
    return array.device_ctypes_pointer.value


def is_array(value):
    """Whether a value is a device array of numba's simulator, which has none of the array interfaces."""
    return SIMULATED and hasattr(value, "_ary") and hasattr(value, "__cuda_ndarray__")


# ---------------------------------------------------------------- four samples at once

if SIMULATED:

    def load4(array, at):
        """Samples at .. at + 3; the compiled one wants them at a multiple of their size."""
        return array[at], array[at + 1], array[at + 2], array[at + 3]

    def store4(array, at, values):
        """Store four samples, at a multiple of their size."""
        for j in range(4):
            array[at + j] = values[j]

    load4_shared, store4_shared = load4, store4

else:
    from llvmlite import ir
    from numba.cuda.extending import intrinsic

    _I32, _I64 = ir.IntType(32), ir.IntType(64)

    def _four(context, builder, typ, value, index, element):
        """Pointer to the vector of four at an index, its alignment, and whether it travels as one 32-bit word."""
        base = value if isinstance(typ, types.CPointer) else context.make_array(typ)(context, builder, value).data
        if index.type.width < 64:
            index = builder.zext(index, _I64)
        size = context.get_abi_sizeof(element)
        word = size == 1
        vector = _I32 if word else ir.VectorType(element, 4)
        place = builder.gep(base, [index])
        space = getattr(place.type, "addrspace", 0)
        return builder.bitcast(place, vector.as_pointer(space)), min(16, 4 * size), word

    def _load4(constant):
        @intrinsic
        def load(typingctx, array, at):
            dtype = array.dtype

            def codegen(context, builder, sig, args):
                element = context.get_data_type(dtype)
                place, align, word = _four(context, builder, sig.args[0], args[0], args[1], element)
                vector = builder.load(place, align=align)
                if constant:  # never stored to in this launch: the read-only path
                    vector.set_metadata("invariant.load", builder.module.add_metadata([]))
                if word:
                    vector = builder.bitcast(vector, ir.VectorType(element, 4))
                samples = [builder.extract_element(vector, _I32(j)) for j in range(4)]
                return context.make_tuple(builder, sig.return_type, samples)

            return types.UniTuple(dtype, 4)(array, at), codegen

        return load

    load4, load4_shared = _load4(True), _load4(False)

    @intrinsic
    def store4(typingctx, array, at, values):
        def codegen(context, builder, sig, args):
            element = context.get_data_type(sig.args[0].dtype)
            place, align, word = _four(context, builder, sig.args[0], args[0], args[1], element)
            vector = ir.Constant(ir.VectorType(element, 4), ir.Undefined)
            for j in range(4):
                vector = builder.insert_element(vector, builder.extract_value(args[2], j), _I32(j))
            if word:
                vector = builder.bitcast(vector, _I32)
            builder.store(vector, place, align=align)
            return context.get_dummy_value()

        return types.void(array, at, values), codegen

    store4_shared = store4
