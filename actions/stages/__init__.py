"""The stages of a run: prepare, train, evaluate, judge, publish; on a runner, each is a process of its own.

They hand over through the storage root. A stage whose inputs and code have not changed is skipped.
"""
