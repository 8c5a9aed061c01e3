"""The hub's GitHub Actions: workflow files, runs, jobs and their reports."""
