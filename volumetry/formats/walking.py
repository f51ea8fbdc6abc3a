"""Going through the folders below one, with or without symbolic links: everybody meets the same files."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from volumetry.formats.opening import is_program_folder

Folder = tuple[str, list[os.DirEntry[str]]]
"""The path of a folder, and what lies in it but for folders."""

_Node = tuple[int, int]


def _any_folder(_: str) -> bool:
    return True


def _pass_by(_folder: str, _error: OSError) -> None:
    """A folder that cannot be listed is empty."""


@dataclass(kw_only=True)
class FolderWalk:
    """The folders below one.

    Where links are followed, a folder that lies below `root` without a link keeps its own name, and links to
    it are passed by. A folder elsewhere is entered by every link below `root` that leads there, as two
    patients of a link farm may share it; below such a link no folder is entered twice, for links can lead in
    a circle.

    Attributes
    ----------
    root : str
    follow : bool
        Whether links to folders are followed.
    enters : callable
        Of the name of a folder: whether it is entered.
    refused : callable
        Told of a folder that cannot be listed.
    passed_by : list of str
        Links to folders that have their own name below `root`, once the walk is done.
    """

    root: str
    follow: bool = False
    enters: Callable[[str], bool] = _any_folder
    refused: Callable[[str, OSError], None] = _pass_by
    passed_by: list[str] = field(default_factory=list)

    def __iter__(self) -> Iterator[Folder]:
        own: set[_Node] = set()
        links: list[str] = []
        yield from self._below(self.root, own, links)
        for link in sorted(links):
            node = _node(link)
            if node is None or node in own:
                self.passed_by.append(link)
            else:
                yield from self._linked(link, own)

    def _below(self, start: str, own: set[_Node], links: list[str]) -> Iterator[Folder]:
        """The folders below one without links; notes who they are, and the links to folders."""
        waiting, of_programs = [start], set[str]()
        while waiting:
            folder = waiting.pop()
            is_of_program = folder in of_programs
            others = self._listed(folder, waiting, links, of_programs)
            if others is None:
                continue
            if self.follow and not is_of_program and (node := _node(folder)) is not None:
                own.add(node)
            yield folder, others

    def _linked(self, link: str, own: set[_Node]) -> Iterator[Folder]:
        """The folders that a link leads to."""
        waiting, met = [link], set(own)
        while waiting:
            folder = waiting.pop()
            node = _node(folder)
            if node is None or node in met:
                continue
            met.add(node)
            others = self._listed(folder, waiting, waiting, set())
            if others is not None:
                yield folder, others

    def _listed(
        self, folder: str, waiting: list[str], links: list[str], of_programs: set[str]
    ) -> list[os.DirEntry[str]] | None:
        """What lies in a folder besides folders; these are added to `waiting`, or to `links`.

        Their paths alone: there may be very many. Folders of programs, and those in them, are told apart.
        """
        folders, linked = list[str](), list[str]()
        others: list[os.DirEntry[str]] = []
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if not entry.is_dir(follow_symlinks=self.follow):
                        others.append(entry)
                    elif self.enters(entry.name):
                        (linked if entry.is_symlink() else folders).append(entry.path)
                        if folder in of_programs or is_program_folder(entry.name):
                            of_programs.add(entry.path)
        except OSError as error:
            self.refused(folder, error)
            return None
        waiting += folders
        links += linked
        return others


def _node(folder: str) -> _Node | None:
    """What folder this is, by whatever name; None where it cannot be asked."""
    try:
        status = Path(folder).stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


__all__ = ["Folder", "FolderWalk"]
