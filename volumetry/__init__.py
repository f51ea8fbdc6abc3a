"""volumetry."""
