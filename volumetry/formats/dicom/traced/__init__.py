"""What was traced on DICOM images: RTSTRUCT and SEG."""
