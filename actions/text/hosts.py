"""Host names that mean this machine."""

from __future__ import annotations

LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})
"""The only hosts to which tokens may be sent without TLS."""
