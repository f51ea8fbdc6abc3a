"""Geometry of one slice, and of two scans: display, links, registration, interpolation, nudging."""
