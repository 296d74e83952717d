"""Detectors as C++17 that depends on nothing: one header each, with what a computer needs to replay a recording.

``write_cpp`` writes the header, C functions around it, a CMake file and two programs; ``compile_cpp`` builds them where
there is a compiler, and the ``Program`` runs recordings and windows through them.
"""

from wristkit.export.cpp.layers import NotWritableError
from wristkit.export.cpp.net import why_not_writable
from wristkit.export.cpp.program import Program, compile_cpp, compiler
from wristkit.export.cpp.writing import why_not_cpp, write_cpp

__all__ = [
    "NotWritableError",
    "Program",
    "compile_cpp",
    "compiler",
    "why_not_cpp",
    "why_not_writable",
    "write_cpp",
]
