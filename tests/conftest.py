"""What holds for all tests."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings

from actions.context import Context
from actions.errors import OperationError
from actions.operation import Operation, Result

# There are as many test processes as cores, so each computes on one. OpenMP reads this when a library is loaded; by
# default its threads also keep a core busy while they wait, which makes training up to ten times slower on a busy machine.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

# Loading a list of certificate authorities takes longer than most requests, and each HTTP client does it. Tests talk
# plain HTTP on this machine; the few that use TLS bring their own authority.
os.environ.pop("SSL_CERT_FILE", None)
os.environ["SSL_CERT_DIR"] = str(Path(__file__).parent / "data")

# A job in a shell's background ignores SIGINT, and so would every process that a test starts and interrupts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# The one budget of property tests; `pytest --hypothesis-profile thorough` looks much further. There is no deadline: how
# fast a machine makes examples says nothing about what they test.
settings.register_profile("modelyard", max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("thorough", settings.get_profile("modelyard"), max_examples=1_000)
settings.load_profile("modelyard")


# Every reason code that an operation ends with must be in the Raises section of its docstring, in whichever test it is met.
_call = Operation.call


def _call_and_check(self: Operation, arguments: Mapping[str, Any], context: Context) -> Result:
    try:
        return _call(self, arguments, context)
    except OperationError as error:
        documented = {reason.code for reason in self.help.raises} | {"invalid_argument", "unknown_argument"}
        if self.function.__module__.startswith(("actions.", "bot.")) and error.problem.reason not in documented:
            raise AssertionError(f"{self.name} does not document {error.problem.reason}") from error
        raise


Operation.call = _call_and_check  # type: ignore[method-assign]
