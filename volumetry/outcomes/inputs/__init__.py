"""The tables a plan names: read as declared, joined by checked keys, every row accounted for."""
