"""The promises that a plugin makes, one file a kind and family, and the checks that try them."""
