"""The stages of an attempt: prepare, train, evaluate, judge, publish.

They hand over through the storage root. A stage is skipped where its inputs and code are unchanged.
"""
