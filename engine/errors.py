"""What the engine raises: one clear sentence each, with expected, received and advice."""

from __future__ import annotations


class EngineError(Exception):
    """A failure that a user can act on.

    `message` says what is wrong, `expected` and `received` say how the input differs from what
    was needed, `advice` says what to do. `str(error)` is one readable sentence (or two).
    """

    def __init__(
        self, message: str, *, expected: str = "", received: str = "", advice: str = ""
    ) -> None:
        self.message = message
        self.expected = expected
        self.received = received
        self.advice = advice
        text = message.rstrip(".")
        if expected:
            text += f"; expected {expected}"
        if received:
            text += f", received {received}" if expected else f"; received {received}"
        super().__init__(text.rstrip(".") + "." + (f" {advice}" if advice else ""))


class InputError(EngineError):
    """A file or value from outside is not what it should be (exit code 2 on the command line)."""


class VideoError(InputError):
    """A video cannot be opened or decoded."""


class WeightError(EngineError):
    """A weight file is missing, altered, or of another kind."""


class UnsafeFileError(InputError):
    """A file asks for something that a data file has no business asking for (a hostile pickle)."""


class CannotFitError(EngineError):
    """The observations do not determine two bodies (exit code 3 on the command line)."""
