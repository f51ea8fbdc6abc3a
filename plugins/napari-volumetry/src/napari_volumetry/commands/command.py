"""What a command is: something asked for by a key or a button, done to the session of the case in view."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

from volumetry import VolumetryError
from volumetry.tracing import TracingSession

if TYPE_CHECKING:
    from napari_volumetry.commands.case_controller import CaseController

Given = ParamSpec("Given")
Controller = TypeVar("Controller", bound="CaseController")


def command(
    method: Callable[Concatenate[Controller, TracingSession, Given], None],
) -> Callable[Concatenate[Controller, Given], None]:
    """Give a method the session, say what the session refuses, and show what came of it."""

    @wraps(method)
    def commanded(self: Controller, /, *args: Given.args, **named: Given.kwargs) -> None:
        session = self.session
        if session is None:
            self.message_shown.emit("Open a case first.", False)
            return
        try:
            method(self, session, *args, **named)
        except VolumetryError as error:
            self.tell(error)
        finally:
            self.update_view()

    return commanded
