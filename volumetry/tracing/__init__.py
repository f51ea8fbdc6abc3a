"""Tracing without a screen: session, undo, journal, storage, worklist, display geometry, interpolation.

What a tracer with a window needs and can be decided without one. A tracer calls `read_worklist`,
`read_scan`, `open_case`, then the commands of `TracingSession`, shows `TracingSession.readout`, and saves.
"""

from volumetry.numbering import slice_name, slice_names
from volumetry.trace import NOT_MEASURABLE_REASONS
from volumetry.tracing.adjudication import Adjudication, AdjudicationRow, read_adjudication
from volumetry.tracing.disk.case import TracingCase
from volumetry.tracing.disk.journal import JournalContent, JournalWriter, read_journal
from volumetry.tracing.disk.lock import LockHolder
from volumetry.tracing.disk.opening import open_case
from volumetry.tracing.disk.places import CasePlace, place_for
from volumetry.tracing.disk.revisions import SavedTrace
from volumetry.tracing.disk.settings import remember_reader, remembered_reader
from volumetry.tracing.planes.display import (
    DisplayOrientation,
    WindowPreset,
    direction_letters,
    display_orientation,
    locate,
    window_presets,
)
from volumetry.tracing.planes.interpolate import fill_between, interpolate_slice
from volumetry.tracing.planes.linking import LinkedSlice, link_pixel, link_slice, project_contours
from volumetry.tracing.planes.live_wire import LiveWire
from volumetry.tracing.planes.nudge import nudge_outline
from volumetry.tracing.planes.registration import CancelToken, RegistrationBox, register_rigid
from volumetry.tracing.planes.simplify import clean_outline, largest_loop
from volumetry.tracing.planes.transform import RigidTransform
from volumetry.tracing.reader_study import StudyStatus, settle, study_status
from volumetry.tracing.session.answer import VolumeAnswer, number_or_reason
from volumetry.tracing.session.change_readout import ReadoutChange
from volumetry.tracing.session.events import Event, Replacement
from volumetry.tracing.session.pixels import brush_pixels
from volumetry.tracing.session.readout import LesionReadout, ReadoutWarning
from volumetry.tracing.session.records import PaintedSlice, TracedContour, TracedLesion
from volumetry.tracing.session.session import TracingSession
from volumetry.tracing.session.signing import SigningCheck
from volumetry.tracing.session.state import TracingState, apply_event, replay
from volumetry.tracing.worklist.assignment import Assignment
from volumetry.tracing.worklist.beside import TracedFile, kind_of_file, printable, scan_title, traced_beside
from volumetry.tracing.worklist.of_study import read_worklist
from volumetry.tracing.worklist.plan import plan_study
from volumetry.tracing.worklist.release import release_blinded
from volumetry.tracing.worklist.rows import ROW_COLUMNS, STATES, WorklistRow, chosen_rows
from volumetry.tracing.worklist.worklist import Worklist

__all__ = [
    "Adjudication",
    "AdjudicationRow",
    "Assignment",
    "CancelToken",
    "CasePlace",
    "DisplayOrientation",
    "Event",
    "JournalContent",
    "JournalWriter",
    "LesionReadout",
    "LinkedSlice",
    "LiveWire",
    "LockHolder",
    "NOT_MEASURABLE_REASONS",
    "PaintedSlice",
    "ROW_COLUMNS",
    "ReadoutChange",
    "ReadoutWarning",
    "RegistrationBox",
    "Replacement",
    "RigidTransform",
    "STATES",
    "SavedTrace",
    "SigningCheck",
    "StudyStatus",
    "TracedContour",
    "TracedFile",
    "TracedLesion",
    "TracingCase",
    "TracingSession",
    "TracingState",
    "VolumeAnswer",
    "WindowPreset",
    "Worklist",
    "WorklistRow",
    "apply_event",
    "brush_pixels",
    "chosen_rows",
    "clean_outline",
    "direction_letters",
    "display_orientation",
    "fill_between",
    "interpolate_slice",
    "kind_of_file",
    "largest_loop",
    "link_pixel",
    "link_slice",
    "locate",
    "nudge_outline",
    "number_or_reason",
    "open_case",
    "place_for",
    "plan_study",
    "printable",
    "project_contours",
    "read_adjudication",
    "read_journal",
    "read_worklist",
    "register_rigid",
    "release_blinded",
    "remember_reader",
    "remembered_reader",
    "replay",
    "scan_title",
    "settle",
    "slice_name",
    "slice_names",
    "study_status",
    "traced_beside",
    "window_presets",
]
