"""Every error a person can meet, as one tree. Each says what happened and what to do.

CoworkerError                 exit status 1
├── UsageError                2    the command line or a message was not understood
├── NotFound                  66   no such repository, conversation, run
├── Unavailable               69   a service cannot be reached
│   └── Refused                    a service rejects us as such: a wrong token
├── TryLater                  75   busy, rate limited, disk full
│   └── DiskFull
├── Denied                    77   waits for, or lacks, a permission
├── ConfigError               78   configuration, state directory, database version
├── Unconfirmed                    a message may or may not have arrived
├── Undeliverable                  a message can never arrive: the room is gone
├── Conflict                       somebody else appended to this conversation first
├── ToolError                      a tool failed; the text goes back to the model
└── ModelError                     a model request failed; the text goes to the person
    ├── Overloaded                 transient, worth another try
    ├── RateLimited                carries how long to wait
    ├── ContextTooLong             the history no longer fits the model
    └── ModelRefused               wrong key, unknown model, no credit: trying again cannot help
"""


class CoworkerError(Exception):
    """Something a person should read: one line, no traceback."""

    exit_status = 1


class UsageError(CoworkerError):
    """The request itself cannot be understood."""

    exit_status = 2


class NotFound(CoworkerError):
    """What was named does not exist."""

    exit_status = 66


class Unavailable(CoworkerError):
    """A service that is needed cannot be reached.

    `retry_after_s` is the wait in seconds that the service named, if it did.
    """

    exit_status = 69

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Refused(Unavailable):
    """The service rejects us as such; trying again cannot help."""


class TryLater(CoworkerError):
    """Nothing is wrong with the request; it cannot be done now."""

    exit_status = 75


class DiskFull(TryLater):
    """The disk that holds the state directory has no room left."""


class Denied(CoworkerError):
    """The person may not do this, or it waits for somebody's permission."""

    exit_status = 77


class ConfigError(CoworkerError):
    """The configuration, the state directory or the database cannot be used as it is."""

    exit_status = 78


class Unconfirmed(CoworkerError):
    """A request was made and its outcome is unknown."""


class Undeliverable(CoworkerError):
    """A message can never arrive where it belongs: the room is gone, or we were put out."""


class Displaced(CoworkerError):
    """Nothing was sent: the message that was to be written over is gone or cannot be edited."""


class Conflict(CoworkerError):
    """The entry already exists: another writer was first. Whoever gets this must stop."""


class ToolError(CoworkerError):
    """A tool could not do what was asked; the text is the model's tool result."""


class ModelError(CoworkerError):
    """A model request failed for good; the text is a sentence for the person."""


class Overloaded(ModelError):
    """A passing fault: overload, a reset, a cut stream."""


class RateLimited(ModelError):
    """The model asks us to wait.

    `retry_after_s` is the wait in seconds that the server named.
    """

    def __init__(self, message: str, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class ContextTooLong(ModelError):
    """The conversation no longer fits the model's window."""


class ModelRefused(ModelError):
    """The server rejects the request as such; repeating it cannot help."""
