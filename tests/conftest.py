"""What holds for all tests."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from hypothesis import HealthCheck, settings

# Test processes share the cores. By default an OpenMP thread that waits for another one keeps its core busy, which makes
# training up to ten times slower there. Libraries read this when they are loaded, so it must come first.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

# Loading a list of certificate authorities takes longer than most requests, and each HTTP client does it. Tests talk
# plain HTTP on this machine; the few that use TLS bring their own authority.
os.environ.pop("SSL_CERT_FILE", None)
os.environ["SSL_CERT_DIR"] = str(Path(__file__).parent / "data")

# A job in a shell's background ignores SIGINT, and so would every process that a test starts and interrupts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# How fast a machine makes examples says nothing about what they test.
settings.register_profile("modelyard", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("modelyard")
