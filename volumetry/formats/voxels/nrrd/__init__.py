"""NRRD, and the segmentations of 3D Slicer in it."""
