"""Starting the tracer: from the command line, and from napari's menus."""

from __future__ import annotations

from pathlib import Path

import napari

from napari_volumetry.widget import TracerWidget

DOCK = "Volumetry tracer"


def open_tracer(path: Path | str | None = None) -> int:
    """Open napari with the tracer, and stay until it is closed: ``volumetry trace [PATH]``.

    Parameters
    ----------
    path : path, optional
        A study folder or a scan.

    Returns
    -------
    int
        0.
    """
    viewer = napari.Viewer(title="Volumetry tracer")
    widget = add_tracer(viewer)
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


def find_tracer(viewer: napari.Viewer) -> TracerWidget | None:
    """Return the tracer of a viewer, or None."""
    for docked in viewer.window.dock_widgets.values():
        if isinstance(docked, TracerWidget):
            return docked
    return None


def open_study() -> None:
    """*Plugins > Volumetry > Open study...*."""
    viewer = napari.current_viewer()
    if viewer is not None:
        add_tracer(viewer).ask_study()


def open_series() -> None:
    """*Plugins > Volumetry > Open series...*."""
    viewer = napari.current_viewer()
    if viewer is not None:
        add_tracer(viewer).ask_series()
