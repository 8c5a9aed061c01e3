"""What is done: every MLOps operation, each one typed function (see ``actions.operation``)."""
