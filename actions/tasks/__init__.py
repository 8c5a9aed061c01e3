"""One module per kind of training, which declares all that the rest needs to know about it; found by this folder."""
