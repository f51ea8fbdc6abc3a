"""Synthetic hips with lesions of known volume: what `make_sample_scans.py` is made of.

``bodies`` (exact volumes and cross-sections) < ``planes`` (where slices lie) < ``anatomy`` (what a T1 scan
shows) < ``cohort`` (who, when, what) < ``dicom_files``, ``nifti_files`` (bytes) < ``study``, ``orientation``.
"""
