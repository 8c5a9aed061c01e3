"""The App: decides and talks. It imports no ML library, ever."""
