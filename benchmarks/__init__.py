"""What Auditbench costs beside the libraries that do the same, at equal error, measured where you run it."""
