"""The command line's arguments and help, GitHub's workflow commands, and provenance."""
