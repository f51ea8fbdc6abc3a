"""Outlines on one slice: one of them, its ring of vertices, and several that say one area."""
