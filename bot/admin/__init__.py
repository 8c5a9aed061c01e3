"""Commands for whoever operates the App: doctor, init, dead letters, and their helpers."""
