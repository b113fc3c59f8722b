"""Plugins of earlier versions of the contracts; see README.md."""
