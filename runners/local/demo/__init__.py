"""`make demo` and `make serve`: hub, App and runners in one folder on one machine."""
