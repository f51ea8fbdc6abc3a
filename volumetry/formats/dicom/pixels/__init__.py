"""The pixels of DICOM images."""
