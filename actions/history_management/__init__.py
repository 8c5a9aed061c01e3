"""The files under training_history/: records, Markdown, the index, and the commits that write them."""
