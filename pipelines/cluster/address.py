"""Where Kubeflow Pipelines is, from flags and settings; nothing is asked yet."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from components.core.errors import UsageError
from pipelines.settings import Settings

INSTALLED_IN = "kubeflow"
RUNNER = "driftline-runner"
"""The account of `manifests/cluster`, which may do what a step needs and nothing else."""

# Where scripts/open_ui.sh opens it, unless something else is there.
UI = "http://localhost:8080"
_SCHEME = re.compile(r"https?://[^/]")
_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


@dataclass(frozen=True)
class KfpAddress:
    """Where Kubeflow Pipelines is, and who asks.

    Without a `host` it is reached through the API server of the kubeconfig's `context`, and
    `namespace` is where it is installed; with one, `namespace` is the user's own, which an
    installation for several users needs. The token is read anew from `token_file` with each
    request, so that one that is renewed there goes on working. Runs execute as `service_account`.
    """

    host: str = ""
    token: str = field(default="", repr=False)
    token_file: str = ""
    namespace: str = ""
    context: str = ""
    service_account: str = ""

    def __post_init__(self) -> None:
        if self.host and not _SCHEME.match(self.host):
            raise UsageError(
                f"the host {self.host!r} has no scheme; write it as http://localhost:8080 or "
                "https://kubeflow.example.com/pipeline"
            )
        if self.host and not _is_address(self.host):
            raise UsageError(f"the host {self.host!r} cannot be an address; see --help")
        if self.namespace and not _NAMESPACE.fullmatch(self.namespace):
            raise UsageError(f"{self.namespace!r} cannot be the name of a namespace")
        if self.host and self.context:
            raise UsageError("a host and a context are two ways to one cluster; give one of them")
        if self.token_file:
            read_token(self.token_file)

    @property
    def url(self) -> str:
        """The host without what a browser adds to it.

        >>> KfpAddress("https://kubeflow.example.com/pipeline/#/runs").url
        'https://kubeflow.example.com/pipeline'
        """
        return self.host.split("#")[0].rstrip("/")

    @property
    def installed_in(self) -> str:
        """The namespace that Kubeflow Pipelines itself runs in."""
        return INSTALLED_IN if self.host else self.namespace or INSTALLED_IN

    @property
    def account(self) -> str | None:
        """Whom runs execute as; None where the server knows better, as in a user's namespace.

        >>> KfpAddress().account, KfpAddress("http://kfp", namespace="dora").account
        ('driftline-runner', None)
        """
        of_a_user = bool(self.host and self.namespace)
        ours = self.installed_in == INSTALLED_IN and not of_a_user
        return self.service_account or (RUNNER if ours else None)

    def run_page(self, run_id: str) -> str:
        """A run's address in the UI; through a kubeconfig, where the UI is once it is opened."""
        return f"{self.url or UI}/#/runs/details/{run_id}"


def address_from(
    settings: Settings, host: str = "", namespace: str = "", context: str = ""
) -> KfpAddress:
    """Complete the flags by the settings.

    Raises:
        UsageError: when they cannot be what they are said to be.

    >>> address_from(Settings(kfp_host="http://kfp:8888"), namespace="dora").url
    'http://kfp:8888'
    """
    return KfpAddress(
        # A context that is named says that the kubeconfig is meant.
        host=host or ("" if context else settings.kfp_host),
        token=settings.kfp_token,
        token_file=settings.kfp_token_file,
        namespace=namespace or settings.kfp_namespace,
        context=context,
        service_account=settings.kfp_service_account,
    )


def _is_address(host: str) -> bool:
    try:
        return bool(urlsplit(host).hostname)
    except ValueError:  # such as a bracket that nothing closes
        return False


def read_token(path: str) -> str:
    """A bearer token from a file.

    Raises:
        UsageError: when the file cannot be read, or holds none.
    """
    try:
        token = Path(path).expanduser().read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"the token file {path} cannot be read: {error}; correct DRIFTLINE_KFP_TOKEN_FILE"
        ) from None
    if not token or len(token.split()) != 1:
        raise UsageError(f"the token file {path} does not hold one token; write it there anew")
    return token
