"""The errors that driftline raises for something a user can mend.

    DriftlineError
    ├── UsageError            the command line or a parameter is wrong
    │   └── SpecError         the spec is wrong
    ├── DataError             a source or a window is wrong
    │   ├── EmptyWindowError  the window has no rows
    │   └── BlockedError      the schema check refuses the window for training
    ├── ModelError            a model cannot be built, fitted, saved or loaded
    ├── ReleaseError          a release is missing, foreign, truncated or tampered with
    ├── ServingError          the model server or a candidate behind it fails
    ├── RolloutError          a release could not be served; what served before serves again
    ├── ClusterError          a cluster cannot be reached, or does not allow what was asked
    └── StoreError            the store cannot be read or written
        └── ConflictError     somebody else wrote first

Each message is one line: it names the input, what is wrong with it, and the remedy.
"""


class DriftlineError(Exception):
    """Anything that a user can mend; its message says how."""


class UsageError(DriftlineError):
    """The command line or a parameter is wrong."""


class SpecError(UsageError):
    """The spec is wrong."""


class DataError(DriftlineError):
    """A source or a window is wrong."""


class EmptyWindowError(DataError):
    """The window has no rows."""


class BlockedError(DataError):
    """The schema check refuses the window for training."""


class ModelError(DriftlineError):
    """A model cannot be built, fitted, saved or loaded."""


class ReleaseError(DriftlineError):
    """A release is missing, foreign, truncated or tampered with."""


class ServingError(DriftlineError):
    """The model server, or a candidate behind it, fails."""


class RolloutError(DriftlineError):
    """A release could not be served, or did worse under guard; its predecessor serves again."""


class ClusterError(DriftlineError):
    """A cluster cannot be reached, or does not allow what was asked."""


class StoreError(DriftlineError):
    """The store cannot be read or written."""


class ConflictError(StoreError):
    """Somebody else wrote first."""
