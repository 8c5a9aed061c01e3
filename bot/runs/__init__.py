"""Pure: the state machine of a run and the values it works on."""
