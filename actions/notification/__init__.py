"""Telling people outside of GitHub: by Slack and by mail, in words that a repository may choose itself."""
