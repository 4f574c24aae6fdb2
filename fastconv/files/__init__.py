"""Image files in and out, with nothing lost without a word.

`read` gives a `Picture`: the pixels as an array, which of its axes are rows and columns, whether the last sample
is alpha, and what travels with the pixels (EXIF, ICC profile, resolution).  `write` stores one: to a temporary
file that replaces the target only when it is whole.

* 8-bit files stay 8-bit and 16-bit files 16-bit; float TIFFs stay float.  16-bit colour PNGs are read and written in
  full depth.
* Every page of a TIFF stack is read.  Animations (GIF, PNG, WebP) are refused.
* The EXIF orientation is applied to the pixels and the tag is reset to 1: rows and columns are those a viewer shows.
* Palette and 1-bit pictures are widened, CMYK is converted to RGB, and `Picture.notes` says so.
"""

from .alpha import join_alpha, split_alpha
from .picture import MAX_PIXELS, SIGNED, FileError, Picture, to_dtype
from .replace import replacing
from .store import READABLE, WRITABLE, check_target, read, write

__all__ = [
    "MAX_PIXELS",
    "READABLE",
    "SIGNED",
    "WRITABLE",
    "FileError",
    "Picture",
    "check_target",
    "join_alpha",
    "read",
    "replacing",
    "split_alpha",
    "to_dtype",
    "write",
]
