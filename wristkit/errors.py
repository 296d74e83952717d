"""The errors that a user can meet, each with a code and a one-line remedy."""

from pathlib import Path
from typing import Self


class RecordingError(ValueError):
    """A recording, or a file of one, that cannot be used as it is.

    Parameters
    ----------
    message
        What is wrong: the value that was met and what was expected.
    code
        Short machine-readable name, such as ``"unit"`` or ``"truncated"``.
    remedy
        One line: what to do about it.
    file
        File that was read, if any; only its name is shown.
    row, byte
        Zero-based data row or byte offset of the first fault.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str,
        remedy: str,
        file: str | Path | None = None,
        row: int | None = None,
        byte: int | None = None,
    ) -> None:
        self.message = message
        self.code = code
        self.remedy = remedy
        self.file = None if file is None else Path(file).name
        self.row = row
        self.byte = byte
        places = [
            text
            for text, value in ((self.file, self.file), (f"row {row}", row), (f"byte {byte}", byte))
            if text is not None and value is not None
        ]
        where = f"{', '.join(places)}: " if places else ""
        super().__init__(f"{where}{message} [{code}] Remedy: {remedy}")

    def of_file(self, file: str | Path) -> Self:
        """Return this error with the file that it is about."""
        return type(self)(self.message, code=self.code, remedy=self.remedy, file=file, row=self.row, byte=self.byte)


class EmptyRecordingError(RecordingError):
    """There is nothing in the file, or nothing but a header."""


class NotThisFormatError(RecordingError):
    """The content is not of the format that was asked for, or of none that is known."""


class TruncatedError(RecordingError):
    """The file ends before its own structure says so."""
