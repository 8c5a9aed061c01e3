"""TODO: one line of purpose."""
