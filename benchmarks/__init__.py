"""What takes how long: ``make bench``, or ``python -m benchmarks``. docs/benchmarks.md says what each one measures."""
