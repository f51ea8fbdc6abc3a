"""From the tables of measurements and changes and a clinical table to the results of a study."""
