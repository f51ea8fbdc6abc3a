"""DICOM objects out: segmentation, structure set, structured report."""
