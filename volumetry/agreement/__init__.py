"""Repeated reads of a study: how readers and reads agree, and what error that means for a change."""
