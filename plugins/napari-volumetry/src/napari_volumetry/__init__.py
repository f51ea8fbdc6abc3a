"""Trace lesions in napari with volumetry: the screen of `volumetry.tracing`."""

__version__ = "0.2.0"
