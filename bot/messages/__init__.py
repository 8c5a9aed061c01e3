"""Text that people read: comments and notifications, in every language."""
