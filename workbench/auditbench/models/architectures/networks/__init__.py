"""The modules of the networks that come with the product; everything here imports torch."""
