"""Upload an imagefolder to the Hugging Face hub, as a dataset that ``load_dataset`` reads.

Only files of the export are uploaded; images of an earlier upload that are no longer in it are
removed, since ``datasets`` reads every image that it finds.
"""

import logging
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prep import events
from prep.errors import ConfigError, RetryError, UserError
from prep.images import is_image_name
from prep.ops import export
from prep.ops.export import ExportOptions
from prep.project import Project, Section
from prep.system.boundary import Boundary
from prep.system.names import natural_key
from prep.training_set.manifest import Manifest

if TYPE_CHECKING:
    pass

_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+")
_FILES_A_COMMIT = 1000
"""Files per commit: each takes time, and the hub refuses those that are too large."""


class PushOptions(Section):
    """Where to upload to, and how."""

    repository: str
    """Name on the hub, as user/my-dataset; it is made when it does not exist."""
    public: bool = False
    """Make a new dataset public; private otherwise."""
    dry_run: bool = False
    """Only show what would be uploaded and removed there."""


def run(project: Project, options: PushOptions) -> Iterator[events.Event]:
    """Export an imagefolder and upload it.

    Yields:
        The events of the export; Progress; Written for each file; Finished with ``images``,
        ``uploaded``, ``removed`` and ``url``.

    Raises:
        ConfigError: The repository name is not valid, or there is nothing to export.
        UserError: The hub refuses; RetryError if the network may be the reason.
    """
    if not _REPOSITORY.fullmatch(options.repository):
        raise ConfigError(
            f"{options.repository} is not a repository name.", "Write it as user/my-dataset."
        )
    images = 0
    folder = project.output / "imagefolder"
    for event in export.run(project, ExportOptions(layout="imagefolder")):
        if isinstance(event, events.Finished):
            images = event.summary["images"]
        elif not isinstance(event, events.Written):
            yield event
    inside = Boundary(folder)  # a link could lead to a file that is nobody's business
    names = sorted(filter(inside.holds_content, Manifest(folder).names()))
    try:
        yield from _Upload(folder, names, images, options).run()
    except UserError:
        raise
    except Exception as error:  # types of the HTTP library that the hub client uses
        raise _explained(error, options.repository) from error


class _Upload:
    """A running upload."""

    def __init__(
        self, folder: Path, names: Sequence[str], images: int, options: PushOptions
    ) -> None:
        from huggingface_hub import HfApi
        from huggingface_hub.utils.tqdm import disable_progress_bars

        disable_progress_bars()
        logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
        self._api: HfApi = HfApi()
        self._folder, self._names, self._images = folder, names, images
        self._options = options

    def run(self) -> Iterator[events.Event]:
        repository, dry_run = self._options.repository, self._options.dry_run
        if not dry_run:
            private = not self._options.public
            self._api.create_repo(repository, repo_type="dataset", private=private, exist_ok=True)
        gone = self._stale()
        for start in range(0, len(self._names), _FILES_A_COMMIT):
            part = self._names[start : start + _FILES_A_COMMIT]
            if not dry_run:
                self._commit(part, gone if start == 0 else [])
            yield from (events.Written(name) for name in part)
            yield events.Progress("upload", start + len(part), len(self._names))
        yield events.Finished(
            {
                "images": self._images,
                "uploaded": len(self._names),
                "removed": len(gone),
                "url": f"{self._api.endpoint}/datasets/{repository}",
            }
        )

    def _stale(self) -> list[str]:
        """Return images of the repository that are not in this training set."""
        from huggingface_hub.errors import RepositoryNotFoundError

        try:
            there = self._api.list_repo_files(self._options.repository, repo_type="dataset")
        except RepositoryNotFoundError:
            if self._options.dry_run:
                return []
            raise
        wanted = set(self._names)
        return sorted(
            (name for name in there if is_image_name(name) and name not in wanted),
            key=natural_key,
        )

    def _commit(self, names: Sequence[str], gone: Sequence[str]) -> None:
        from huggingface_hub import CommitOperationAdd, CommitOperationDelete

        operations: list[Any] = [CommitOperationDelete(name) for name in gone]
        operations += [CommitOperationAdd(name, self._folder / name) for name in names]
        self._api.create_commit(
            self._options.repository,
            operations,
            commit_message="Training set from shikomi",
            repo_type="dataset",
        )


def _explained(error: Exception, repository: str) -> UserError:
    from huggingface_hub import errors

    status = getattr(getattr(error, "response", None), "status_code", None)
    if isinstance(error, errors.LocalTokenNotFoundError) or status == 401:
        return UserError("You are not logged in to the hub.", "Log in with: hf auth login")
    if status == 403:
        return UserError(
            f"You may not write to {repository}.",
            "Check its name, and that the token has write access.",
        )
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return RetryError(
        f"{repository} could not be uploaded: {reason}",
        "Run the same command again; files already there are not sent again.",
    )
