"""Starting the tracer: from the command line, or in a viewer that is there."""

from __future__ import annotations

from pathlib import Path

import napari

from napari_volumetry.widget import TracerWidget, find_tracer
from volumetry import VolumetryError

DOCK = "Volumetry tracer"


def open_tracer(path: Path | str | None = None, *, traces: Path | str | None = None) -> int:
    """Open napari with the tracer, and stay until it is closed: ``volumetry trace [PATH] [--traces FOLDER]``.

    Parameters
    ----------
    path : path, optional
        A study folder or a scan.
    traces : path, optional
        The folder in which traces are kept, if not beside the scans; it is made when the first is.

    Returns
    -------
    int
        0.

    Raises
    ------
    VolumetryError
        ``not-found``.
    """
    if path is not None and not Path(path).exists():
        raise VolumetryError(
            "not-found", "there is no such file or folder", where=path, todo="Check the name."
        )
    viewer = napari.Viewer(title="Volumetry tracer", show_welcome_screen=False)
    widget = add_tracer(viewer, place=None if traces is None else Path(traces))
    # Who asked for the tracer need not know napari: its layers are there when asked for (F9, or its menu).
    widget.reading_window.toggle_layers()
    widget.window().showMaximized()
    if path is not None:
        widget.open_path(path)
    napari.run()
    return 0


def add_tracer(viewer: napari.Viewer, *, reader: str = "", place: Path | None = None) -> TracerWidget:
    """Return the tracer of a viewer; it is added where there is none yet."""
    held = find_tracer(viewer)
    if held is not None:
        return held
    widget = TracerWidget(viewer, reader=reader, place=place)
    viewer.window.add_dock_widget(widget, name=DOCK, area="right", add_vertical_stretch=False)
    return widget
