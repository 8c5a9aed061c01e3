"""The state machine of a run and the values it works on, without I/O."""
