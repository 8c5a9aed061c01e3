"""Where models are trained: one module per backend."""
