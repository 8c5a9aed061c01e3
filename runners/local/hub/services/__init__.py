"""What REST routes and pages share: issues, labels, checks, Apps, webhooks."""
