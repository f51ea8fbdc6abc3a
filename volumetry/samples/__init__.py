"""Synthetic hips with lesions of known volume: the sample study, made always to the same bytes.

``bodies`` (exact volumes and cross-sections) < ``planes`` (where slices lie) < ``anatomy`` (what a T1 scan
shows) < ``cohort`` (who, when, what) < ``dicom_files``, ``nifti_files`` (bytes) < ``study``, ``orientation``
< ``folder`` (files written, checked, found).
"""
