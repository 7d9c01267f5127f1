"""Standard output and standard error as places for lines of the log."""

from __future__ import annotations

from contextlib import suppress
from typing import TextIO

from clipal.logs.stream import UnwaitingStream


class Console:
    """A text stream whose reader may end, or may read nothing for a while.

    Parameters:
        stream: where lines go; None (a process without standard streams) for nowhere.

    Attributes:
        missed: lines dropped since the stream last took a line.
        dropped: lines dropped in all.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream
        self._unwaiting: UnwaitingStream | None = None
        self._set_up = False
        self.missed = 0
        self.dropped = 0

    def write(self, line: str) -> None:
        """Writes one line at once. It is dropped, without an error, where that is not possible.

        A stream that is closed, or whose reader is gone, is not tried again.
        """
        if self._take(line):
            self.missed = 0
        else:
            self.missed += 1
            self.dropped += 1

    def note(self, line: str) -> None:
        """As `write`, for a line about the log itself, which does not count when it is dropped."""
        if self._take(line):
            self.missed = 0

    def close(self) -> None:
        """Closes the descriptor that was opened for this console; the next line opens it again. `stream` stays open."""
        unwaiting, self._unwaiting, self._set_up = self._unwaiting, None, False
        if unwaiting is not None:
            unwaiting.close()

    def _take(self, line: str) -> bool:
        """Whether the stream has taken the line, or there is no stream any more."""
        stream = self._stream
        if stream is None:
            return True
        try:
            return self._write(stream, line + "\n")
        except (BrokenPipeError, ValueError):
            self._give_up(stream)
        except OSError:
            pass  # a full disk behind a redirection, or a terminal that takes no more now
        return False

    def _write(self, stream: TextIO, line: str) -> bool:
        if not self._set_up:
            self._unwaiting, self._set_up = _unwaiting(stream), True
        if self._unwaiting is not None:
            return self._unwaiting.write(line.encode(stream.encoding or "utf-8", "backslashreplace"))
        _write_encodable(stream, line)
        return True

    def _give_up(self, stream: TextIO) -> None:
        self._stream = None
        # Left open, its buffer would make the interpreter's last flush fail: exit status 120.
        with suppress(OSError):
            stream.close()
        self.close()


def _unwaiting(stream: TextIO) -> UnwaitingStream | None:
    """Writes to the descriptor of `stream` without waiting; None where the stream has no descriptor."""
    try:
        descriptor = stream.fileno()
    except (OSError, ValueError):
        return None
    stream.flush()
    return UnwaitingStream(descriptor)


def _write_encodable(stream: TextIO, line: str) -> None:
    """Writes `line`, with escapes for characters that the stream's encoding lacks.

    Raises:
        OSError, ValueError: when the stream is broken or closed.
    """
    try:
        stream.write(line)
    except UnicodeEncodeError:
        encoding = stream.encoding
        stream.write(line.encode(encoding, "backslashreplace").decode(encoding))
    stream.flush()
