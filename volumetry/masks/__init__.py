"""Masks: labels on a scan geometry, their pixels counted, and outlines turned into pixels and back."""
