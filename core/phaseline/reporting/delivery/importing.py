"""Import the modules that the background thread needs, and delay a fork meanwhile."""

import os
import threading
from typing import Final

__all__ = ["delay_forks", "load"]

# A fork while the thread imports a module would leave it half imported and locked in the child.
_loading = threading.Lock()
_LONGEST_LOAD_S: Final = 10.0
_forking = threading.local()


def load() -> None:
    """Import all modules that the thread needs."""
    with _loading:
        import encodings.idna  # noqa: F401, PLC0415 - needed by the first look-up of a host name

        import phaseline.reporting.delivery.delivery  # noqa: PLC0415

        if os.name == "posix":  # they lock files
            import phaseline.reporting.delivery.spool_file  # noqa: PLC0415
            import phaseline.reporting.delivery.tidying  # noqa: F401, PLC0415


def _before_fork() -> None:
    _forking.waited = _loading.acquire(timeout=_LONGEST_LOAD_S)


def _after_fork() -> None:
    if getattr(_forking, "waited", False):
        _forking.waited = False
        _loading.release()


def _after_fork_in_child() -> None:
    global _loading  # noqa: PLW0603 - the thread that held it does not exist in the child
    _loading = threading.Lock()


_minded = False


def delay_forks() -> None:
    """Register, once, the hooks that delay a fork while the thread imports modules."""
    global _minded  # noqa: PLW0603 - hooks can't be taken back
    # The hook registered last runs first. Logging's hook takes a lock that the thread needs for its imports, so it must
    # be registered before ours. If the thread imported logging, that could happen in the middle of a fork.
    import logging  # noqa: F401, PLC0415

    if not _minded and hasattr(os, "register_at_fork"):
        _minded = True
        os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork_in_child)
