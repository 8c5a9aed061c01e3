"""A laptop's GitHub: a REST subset, git over HTTP, webhooks and a few pages, for trying and testing."""
