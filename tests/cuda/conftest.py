"""What the tests of the CUDA backend need; this folder is on the path, so that ``ptx`` and ``sass`` can be imported."""
