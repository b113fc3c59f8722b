"""The reference, written by the code that it describes: one module a family of pages."""
