"""NIfTI-1 and NIfTI-2 with their BIDS sidecars, and Analyze 7.5 before them."""
