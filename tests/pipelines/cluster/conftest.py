"""A fake of Kubeflow Pipelines, and time that passes without waiting."""

import pytest

from tests.kfp_fake.server import FakeKfp


@pytest.fixture
def kfp():
    served = FakeKfp()
    yield served
    served.close()


@pytest.fixture(autouse=True)
def _nowhere(monkeypatch, tmp_path):
    """No cluster and no setting of whoever runs the tests."""
    for name in ("KUBERNETES_SERVICE_HOST", "DRIFTLINE_KFP_HOST", "DRIFTLINE_KFP_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
