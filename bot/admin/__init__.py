"""Commands for operators of the App: doctor, init, dead letters, and their helpers."""
