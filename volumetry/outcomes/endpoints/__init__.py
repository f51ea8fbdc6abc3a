"""The endpoints a plan can name, a module each, with their figures."""
