"""What a state may do to the world for one run, by subject: each function takes the run's context.

Every effect may be repeated after a crash, so it looks for what it did before instead of doing it twice.
"""
