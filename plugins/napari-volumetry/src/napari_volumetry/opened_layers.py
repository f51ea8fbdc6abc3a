"""What napari's File > Open brought can be traced at once: its layer becomes the case."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from napari.layers import Image, Layer
from qtpy.QtCore import QObject, QTimer

from napari_volumetry.commands.window_words import NOT_OF_THIS_SCAN
from napari_volumetry.tracer import Tracer
from volumetry import Scan, VolumetryError, check_trace
from volumetry.tracing import TracedFile, traced_beside

MOST_NAMES = 3
"""Layers that are named in one message."""


class OpenedLayers(QObject):
    """Opens scans that our reader put into the viewer, and offers the files that trace them.

    A scan is opened as a case only where no case and no study is open; its layer is then the case's own.

    Parameters
    ----------
    tracer : Tracer
    """

    def __init__(self, tracer: Tracer) -> None:
        super().__init__(tracer)
        self.tracer = tracer
        self._is_due = False
        tracer.viewer.layers.events.inserted.connect(self._on_inserted)
        tracer.case_opened.connect(self._on_case)
        self._on_inserted()

    def _on_inserted(self, _event: object = None) -> None:
        if not self._is_due:
            self._is_due = True
            QTimer.singleShot(0, self._look)

    def _look(self) -> None:
        self._is_due = False
        self.open_first()
        self.check_layers()

    def readable(self) -> Image | None:
        """Return the first layer that our reader made of a scan; None where there is none."""
        return next((layer for layer in self.tracer.viewer.layers if _path_of(layer)), None)

    def open_first(self) -> bool:
        """Open the first such layer as a case, unless a case or a study is open; return whether it is."""
        layer = self.readable()
        path = _path_of(layer)
        if layer is None or path is None:
            return False
        if self.tracer.case is not None or self.tracer.worklist is not None:
            return False
        if not self.tracer.open_series(path):
            # Said in the panel; the layer stays a picture, and is not tried again.
            layer.metadata.pop("volumetry", None)
            return False
        if layer in self.tracer.viewer.layers:
            self.tracer.viewer.layers.remove(layer)
        return True

    def check_layers(self) -> None:
        """Hide what our reader brought and what is not of the case in view, and say so; once a layer.

        The picture of another scan, or the mask of another patient, would be taken for this one's.
        """
        scene = self.tracer.scene
        if scene is None:
            self._say_without_scan()
            return
        said: dict[str, list[str]] = {}
        is_hidden = False
        for layer in list(self.tracer.viewer.layers):
            known = layer.metadata.get("volumetry")
            if (
                layer is scene.image
                or not isinstance(known, dict)
                or known.get("seen") == self.tracer.opening
            ):
                continue
            known["seen"] = self.tracer.opening
            why = self._hidden_because(layer, known, scene.scan)
            said.setdefault(why, []).append(layer.name)
            is_hidden = is_hidden or bool(why)
        if said:
            # napari would advertise the keys of the layer that came last, which are the tracer's here.
            self.tracer.viewer.layers.selection.active = None
            self.tracer.say(" ".join(self._said_of(names, why) for why, names in said.items()), is_hidden)

    def _say_without_scan(self) -> None:
        """Say once of what traces a scan that the scan is missing."""
        known = [(layer.name, layer.metadata.get("volumetry")) for layer in self.tracer.viewer.layers]
        traced = [(n, k) for n, k in known if isinstance(k, dict) and k.get("traced") and "alone" not in k]
        for _, held in traced:
            held["alone"] = True
        if traced and self.tracer.worklist is None:
            named, one = _listed([name for name, _ in traced]), len(traced) == 1
            self.tracer.say(
                f"{named} {'is' if one else 'are'} shown without a scan, and without "
                "the letters of the sides. Open the scan to trace on it.",
                False,
            )

    def _said_of(self, names: Sequence[str], why: str) -> str:
        """What is said of layers, all of which are hidden for the same reason; empty: they are shown."""
        named = "What was opened" if self.tracer.is_blinded else _listed(names)
        one = len(names) == 1 or self.tracer.is_blinded
        if not why:
            return (
                f"{named} {'is' if one else 'are'} only shown, and {'does' if one else 'do'} not count. "
                "Load takes the outlines over as lesions."
            )
        return f"{named} {'is' if one else 'are'} hidden: {why}."

    def _hidden_because(self, layer: Layer, known: dict[str, Any], scan: Scan) -> str:
        """Hide a layer that is not of the case in view, and return why; else bring it above the picture."""
        if known.get("path"):
            layer.visible = False
            return "the case that is open stays in view"
        for traced in known.get("traced", ()):
            try:
                check_trace(traced, scan)
            except VolumetryError as error:
                layer.visible = False
                return f"drawn on {NOT_OF_THIS_SCAN.get(error.code, 'another scan')}"
        layers, image = self.tracer.viewer.layers, self.tracer.scene.image if self.tracer.scene else None
        if image in layers and layers.index(layer) < layers.index(image):
            layers.move(layers.index(layer), len(layers))  # the picture would cover it
        return ""

    def _on_case(self) -> None:
        # After what the case itself has to ask.
        QTimer.singleShot(0, self.offer)
        QTimer.singleShot(0, self.check_layers)

    def offer(self) -> None:
        """Offer the outlines of RTSTRUCTs, SEGs and masks that lie beside a scan opened without a study."""
        scene, path, case = self.tracer.scene, self.tracer.single_path, self.tracer.case
        if scene is None or path is None or case is None or case.is_read_only:
            return
        if case.session.state.lesions:
            return
        found = traced_beside(scene.scan, path)
        if found:
            self.tracer.offer(_offered(found), self._choices(found))

    def _choices(self, found: Sequence[TracedFile]) -> tuple[tuple[str, Any], ...]:
        def taking(file: TracedFile) -> Any:
            return lambda: self.tracer.load_outlines(file.path)

        alone = len(found) == 1
        named = [(f"Take over {f.kind}" if alone else f"Take over {f.path.name}", taking(f)) for f in found]
        return (*named[:3], ("Leave them", lambda: None))


def _listed(names: Sequence[str]) -> str:
    """A few names, and how many more there are."""
    shown, more = names[:MOST_NAMES], len(names) - MOST_NAMES
    if more > 0:
        return f"{', '.join(shown)} and {more} more"
    return " and ".join(filter(None, (", ".join(shown[:-1]), shown[-1])))


def _offered(found: Sequence[TracedFile]) -> str:
    said = []
    for file in found[:3]:
        lesions = f" ({', '.join(file.lesions[:6])})" if file.lesions else ""
        said.append(f"{file.kind} {file.path.name}{lesions}")
    more = f" and {len(found) - 3} more" if len(found) > 3 else ""
    return f"Beside this scan there is: {'; '.join(said)}{more}. Its outlines can be gone on with."


def _path_of(layer: object) -> Path | None:
    if not isinstance(layer, Image):
        return None
    known = layer.metadata.get("volumetry")
    path = known.get("path") if isinstance(known, dict) else None
    return Path(path) if isinstance(path, str) and Path(path).exists() else None
