"""What holds for all tests."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

# Test processes share the cores. By default an OpenMP thread that waits for another one keeps its core busy, which makes
# training up to ten times slower there. Libraries read this when they are loaded, so it must come first.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

# How fast a machine makes examples says nothing about what they test.
settings.register_profile("modelyard", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("modelyard")
