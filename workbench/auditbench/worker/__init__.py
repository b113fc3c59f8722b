"""The worker: the process in which plugins, models and data live, and what it does for a supervisor."""
