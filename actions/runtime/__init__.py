"""What a process on a runner needs: the help of its command line, GitHub's workflow commands, provenance."""
