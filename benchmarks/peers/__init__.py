"""Libraries that compute the same, each called as its users call it; one that is not installed is left out."""
