"""Set-up of the GitHub App in a browser, and nothing else."""
