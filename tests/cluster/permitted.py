"""The manifests in namespaces of a test's own: what is granted there is what they grant."""

import base64
import json
import uuid
from urllib.parse import urlsplit

import yaml
from kubernetes.dynamic import DynamicClient

from components.release.kubernetes import connect as connecting
from components.release.kubernetes.permissions import Account, model_permissions
from tests.manifests.goldens import golden

_SERVERS, _STEPS = "driftline-development", "kubeflow"
_KINDS_OF_STEPS = {"ServiceAccount", "Secret", "Role", "RoleBinding"}


class Permitted:
    """Two namespaces: one of model servers, one of the steps that deploy them.

    `models` may be deployed.
    """

    def __init__(self, client, models):
        self.servers = f"driftline-test-{uuid.uuid4().hex[:8]}"
        self.steps = f"{self.servers}-steps"
        self.client = client
        self._dynamic = DynamicClient(client.ApiClient())
        core = client.CoreV1Api()
        core.create_namespace({"metadata": {"name": self.steps}})
        for one in golden("development"):
            if one["kind"] != "NetworkPolicy":  # the tests' store may be anywhere
                self.apply(one)
        for one in golden("cluster"):
            if one["kind"] in _KINDS_OF_STEPS:
                self.apply(one)
        for model in models:
            for one in model_permissions(model, _SERVERS, Account(_STEPS, "driftline-deployer")):
                self.apply(one)

    def delete(self):
        for name in (self.servers, self.steps):
            self.client.CoreV1Api().delete_namespace(name)

    def apply(self, manifest):
        """As kubectl does, in these namespaces instead of the real ones."""
        text = yaml.safe_dump(manifest)
        moved = yaml.safe_load(text.replace(_SERVERS, self.servers).replace(_STEPS, self.steps))
        kind = self._dynamic.resources.get(api_version=moved["apiVersion"], kind=moved["kind"])
        self._dynamic.server_side_apply(kind, body=moved, field_manager="tests")

    def account(self, name):
        """How access rules call an account of the steps'."""
        return f"system:serviceaccount:{self.steps}:{name}"

    def token(self, account, namespace=None):
        """A token of an account's, good for an hour; one of the steps' by default."""
        made = self.client.CoreV1Api().create_namespaced_service_account_token(
            account, namespace or self.steps, {"spec": {"expirationSeconds": 3600}}
        )
        return made.status.token

    def secret(self):
        """The Secret that deploy steps mount; empty until the cluster has filled it."""
        found = self.client.CoreV1Api().read_namespaced_secret("driftline-deployer", self.steps)
        return {key: base64.b64decode(value) for key, value in (found.data or {}).items()}

    def mount(self, folder, content):
        """What a step finds when a Secret is mounted."""
        folder.mkdir(exist_ok=True)
        for key, value in content.items():
            (folder / key).write_bytes(value)

    def be_a_step(self, monkeypatch, folder, own):
        """Let this process connect as a step does that has the deployer's Secret at `folder`."""
        server = urlsplit(self.client.Configuration.get_default_copy().host)
        monkeypatch.delenv("KUBECONFIG", raising=False)
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", server.hostname)
        monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(server.port or 443))
        monkeypatch.setattr(connecting, "_DEPLOYER", folder)
        monkeypatch.setattr(connecting, "_OWN", own)

    def allowed(self, user, verb, resource, name="", namespace=None):
        """What `kubectl auth can-i` says; the resource as kubectl writes it."""
        kind, _, sub = resource.partition("/")
        kind, _, group = kind.partition(".")
        attributes = {
            "namespace": namespace or self.servers,
            "verb": verb,
            "group": group,
            "resource": kind,
            "subresource": sub,
            "name": name,
        }
        review = {"spec": {"user": user, "resourceAttributes": attributes}}
        made = self.client.AuthorizationV1Api().create_subject_access_review(review)
        return made.status.allowed

    def rules(self, token, namespace):
        """What `kubectl auth can-i --list` says to the holder of a token, as a set."""
        configuration = self.client.Configuration.get_default_copy()
        configuration.cert_file = configuration.key_file = None
        configuration.api_key = {"authorization": f"Bearer {token}"}
        configuration.refresh_api_key_hook = None
        api = self.client.AuthorizationV1Api(self.client.ApiClient(configuration))
        review = api.create_self_subject_rules_review({"spec": {"namespace": namespace}})
        return as_set(
            {
                "apiGroups": rule.api_groups,
                "resources": rule.resources,
                "resourceNames": rule.resource_names,
                "verbs": rule.verbs,
            }
            for rule in review.status.resource_rules
        )


def as_set(rules):
    """Every single thing that rules allow: (verb, resource with its group, name)."""
    return {
        (verb, f"{resource}.{group}".strip("."), name)
        for rule in json.loads(json.dumps(list(rules)))
        for verb in rule["verbs"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for name in rule.get("resourceNames") or [""]
    }
