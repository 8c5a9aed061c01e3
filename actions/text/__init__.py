"""Text helpers: Markdown, formatting, masking of secrets, safe YAML. They know nothing of Modelyard."""
