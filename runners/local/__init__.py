"""Runs Modelyard on one machine: the local hub, and act, which executes the workflows."""
