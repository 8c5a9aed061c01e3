"""What classification and regression share: a target column of a table, learned from its other columns."""
