"""The release package: a folder whose manifest holds the sha256 of every file in it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pydantic import ValidationError

from components.core.errors import ReleaseError
from components.core.verdict import Document
from components.model.files import MODEL, ONNX, RECORDED
from components.spec.load import parse_spec

if TYPE_CHECKING:
    from components.drift.profile import Profile
    from components.drift.variation import Variation
    from components.model.records import RecordedRows, RuntimeRecord, TrainingRecord
    from components.model.runtime import Runtime
    from components.model.score import FittedModel
    from components.schema.schema import Schema
    from components.spec.model import Spec

MANIFEST = "manifest.json"

_Kind = TypeVar("_Kind", bound=Document)


class Manifest(Document):
    """What a release consists of and where it comes from."""

    model: str
    version: str
    created: str
    files: dict[str, str]
    lineage: dict[str, str]


def digest(path: Path) -> str:
    """The sha256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def seal(folder: Path, model: str, version: str, lineage: dict[str, str]) -> Manifest:
    """Write the manifest over the files of a folder.

    Args:
        folder: the release's files, without sub-folders.
        model: the spec's model name.
        version: the release's version.
        lineage: where it comes from: run, windows, data fingerprint, reason.

    >>> folder = getfixture("tmp_path")
    >>> _ = (folder / "card.md").write_text("# flights")
    >>> sorted(seal(folder, "flights", "v1", {}).files), verify(folder).version
    (['card.md'], 'v1')
    """
    files = {path.name: digest(path) for path in sorted(folder.iterdir()) if path.name != MANIFEST}
    manifest = Manifest(
        model=model,
        version=version,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        files=files,
        lineage=lineage,
    )
    (folder / MANIFEST).write_text(manifest.model_dump_json(indent=2), encoding="utf-8")
    return manifest


def content_version(folder: Path, end: str) -> str:
    """A version made from the content, so that equal versions are equal releases.

    Args:
        folder: the release's files.
        end: the end of the training window, so that versions sort by what they know.

    >>> folder = getfixture("tmp_path")
    >>> _ = (folder / "card.md").write_text("# flights")
    >>> content_version(folder, "2013-04-01")
    '2013-04-01-1705d4f1'
    """
    names = sorted(path for path in folder.iterdir() if path.name != MANIFEST)
    content = "".join(f"{path.name} {digest(path)}\n" for path in names)
    return f"{end.replace(':', '')}-{hashlib.sha256(content.encode()).hexdigest()[:8]}"


def read_manifest(folder: Path, sha256: str | None = None) -> Manifest:
    """The manifest as it stands, its files not looked at.

    Args:
        folder: the release's.
        sha256: what its digest has to be; None where nobody knows.

    Raises:
        ReleaseError: when there is none, it is another one, or it cannot be understood.
    """
    return _read_manifest(folder, sha256)[0]


def _read_manifest(folder: Path, sha256: str | None) -> tuple[Manifest, str]:
    """The manifest, and the digest of the very bytes that it was read from."""
    try:
        content = (folder / MANIFEST).read_bytes()
    except FileNotFoundError:
        raise ReleaseError(
            f"{folder} holds no {MANIFEST}, so it is no release; train one with "
            "'driftline run training'"
        ) from None
    found = hashlib.sha256(content).hexdigest()
    if found != (sha256 or found):
        raise ReleaseError(
            f"{folder} is refused: its {MANIFEST} is {found[:12]}, and {sha256:.12} was "
            "expected; it is not the release that was deployed"
        )
    return parse_manifest(content, str(folder / MANIFEST)), found


def parse_manifest(content: bytes, name: str) -> Manifest:
    """Read a manifest from its bytes; `name` is what the error calls it.

    Raises:
        ReleaseError: when it cannot be understood.
    """
    try:
        return Manifest.model_validate_json(content)
    except ValidationError:
        raise ReleaseError(
            f"{name} is not a manifest that this version reads; "
            "deploy another release or restore the file"
        ) from None


def verify(folder: Path, manifest_sha256: str | None = None) -> Manifest:
    """Check that every file is there and is the one that was packaged.

    Args:
        folder: the release's.
        manifest_sha256: what the manifest's digest has to be; None where nobody knows.

    Raises:
        ReleaseError: naming the file that is missing, foreign or changed.
    """
    manifest = read_manifest(folder, manifest_sha256)
    _check_files(folder, manifest)
    return manifest


def _check_files(folder: Path, manifest: Manifest) -> None:
    present = {path.name for path in folder.iterdir()} - {MANIFEST}
    if missing := sorted(manifest.files.keys() - present):
        raise ReleaseError(_refusal(manifest, f"{missing[0]} is missing"))
    if foreign := sorted(present - manifest.files.keys()):
        raise ReleaseError(_refusal(manifest, f"{foreign[0]} does not belong to it"))
    for name, expected in manifest.files.items():
        if digest(folder / name) != expected:
            raise ReleaseError(_refusal(manifest, f"{name} was changed after packaging"))


class Release:
    """A verified release; each part is read when it is asked for, and verified once more.

    Args:
        folder: where it is.
        manifest_sha256: what its manifest's digest has to be; None where nobody knows.
    """

    def __init__(self, folder: Path, manifest_sha256: str | None = None) -> None:
        self.folder = folder
        self.manifest, self.manifest_sha256 = _read_manifest(folder, manifest_sha256)
        _check_files(folder, self.manifest)

    @property
    def version(self) -> str:
        """The release's version."""
        return self.manifest.version

    @property
    def spec(self) -> Spec:
        """The spec it was trained by."""
        return parse_spec(self.text("spec.json"), name=f"{self.version}/spec.json")

    @property
    def schema(self) -> Schema:
        """The schema of its training window."""
        from components.schema.schema import Schema

        return self._document(Schema, "schema.json")

    @property
    def profile(self) -> Profile:
        """The profile of its training window: the reference of the drift checks."""
        from components.drift.profile import Profile

        return self._document(Profile, "profile.json")

    @property
    def variation(self) -> Variation | None:
        """How much the training window varied in time; older releases do not know."""
        from components.drift.variation import Variation

        if "variation.json" not in self.manifest.files:
            return None
        return self._document(Variation, "variation.json")

    @property
    def training(self) -> TrainingRecord:
        """What was measured when it was trained."""
        from components.model.records import TrainingRecord

        return self._document(TrainingRecord, "training.json")

    @property
    def runtime_record(self) -> RuntimeRecord | None:
        """What its model travels in for serving; older releases do not know, and are skops."""
        from components.model.runtime import read_record

        return read_record(self.folder, self.manifest.files)

    @property
    def recorded(self) -> RecordedRows | None:
        """Rows with the answers that a server has to give; older releases have none."""
        from components.model.records import RecordedRows

        if RECORDED not in self.manifest.files:
            return None
        return self._document(RecordedRows, RECORDED)

    @property
    def runtime_sha256(self) -> str:
        """The digest of the file that answers at serving."""
        record = self.runtime_record
        onnx = record is not None and record.chosen == "onnx"
        name = ONNX if onnx else MODEL
        if name not in self.manifest.files:
            raise ReleaseError(_refusal(self.manifest, f"{name} is missing"))
        return self.manifest.files[name]

    def runtime(self, allowed_prefixes: Sequence[str] = ("sklearn.",)) -> Runtime:
        """What answers at serving, its file verified once more.

        Args:
            allowed_prefixes: as for `model`.
        """
        from components.model.runtime import open_runtime

        return open_runtime(self.folder, self.manifest.files, self.spec.columns, allowed_prefixes)

    def model(self, allowed_prefixes: Sequence[str] = ("sklearn.",)) -> FittedModel:
        """The fitted model, read through the allowlist.

        Args:
            allowed_prefixes: packages that the user's own spec trusts; never those of the spec in
                the release, which whoever forged the model would have forged as well.
        """
        from components.model.persist import load_model

        sha256 = self.manifest.files[MODEL]
        return load_model(self.folder / MODEL, sha256, allowed_prefixes)

    def _document(self, kind: type[_Kind], name: str) -> _Kind:
        try:
            return kind.model_validate_json(self.text(name))
        except ValidationError:
            raise ReleaseError(
                f"release {self.version} of {self.manifest.model}: {name} is not of a form that "
                "this version of driftline reads; use the version that wrote it, or train again"
            ) from None

    def read(self, name: str) -> bytes:
        """One of its files: the very bytes that were held against the manifest.

        Raises:
            ReleaseError: when it has no such file, or that was changed since it was opened.
        """
        if name not in self.manifest.files:
            raise ReleaseError(_refusal(self.manifest, f"{name} is missing"))
        try:
            data = (self.folder / name).read_bytes()
        except OSError as error:
            raise ReleaseError(
                _refusal(self.manifest, f"{name} cannot be read ({error.strerror})")
            ) from None
        if hashlib.sha256(data).hexdigest() != self.manifest.files[name]:
            raise ReleaseError(_refusal(self.manifest, f"{name} was changed after packaging"))
        return data

    def text(self, name: str) -> str:
        """The text of one of its files.

        Raises:
            ReleaseError: as `read` does.
        """
        return self.read(name).decode("utf-8")

    def extract(self, names: Iterable[str], folder: Path) -> Path:
        """Copy files to where nobody else writes; returns that folder, made if need be.

        Raises:
            ReleaseError: as `read` does.
        """
        folder.mkdir(parents=True, exist_ok=True)
        for name in names:
            (folder / name).write_bytes(self.read(name))
        return folder


def load_release(folder: Path, manifest_sha256: str | None = None) -> Release:
    """Verify a release and open it.

    Args:
        folder: where it is.
        manifest_sha256: what its manifest's digest has to be; None where nobody knows.

    Raises:
        ReleaseError: when it is missing, foreign, truncated or tampered with.
    """
    return Release(folder, manifest_sha256)


def _refusal(manifest: Manifest, problem: str) -> str:
    return (
        f"release {manifest.version} of {manifest.model} is refused: {problem}; "
        "it is not the release that was packaged; put its files back from a copy, roll back to "
        "another release, or train again"
    )
