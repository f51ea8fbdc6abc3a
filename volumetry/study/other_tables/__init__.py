"""Tables that other programs and people made: how they are read, doubted, classed and joined."""
