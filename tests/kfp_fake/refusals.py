"""How the API server says no: a gRPC code, its HTTP status, and where each sentence stands."""

# grpc-gateway's mapping, for the codes that the handlers give.
_STATUS = {3: 400, 5: 404, 6: 409, 7: 403, 9: 400, 10: 409, 13: 500, 14: 503, 16: 401}
INVALID, NOT_FOUND, EXISTS, DENIED, INTERNAL, UNAVAILABLE, UNAUTHENTICATED = 3, 5, 6, 7, 13, 14, 16
_PREFIX = {
    INVALID: "Invalid input error",
    NOT_FOUND: "ResourceNotFoundError",
    EXISTS: "Already exist error",
    INTERNAL: "InternalServerError",
    DENIED: "PermissionDenied",
    UNAVAILABLE: "ServiceUnavailable",
    UNAUTHENTICATED: "Unauthenticated",
}
_OUTSIDE = {INTERNAL: "Internal Server Error", UNAVAILABLE: "Service unavailable"}


class RefusedError(Exception):
    """A handler's refusal; `wraps` are the sentences that the callers put before it."""

    def __init__(self, code, message, *wraps):
        self.code = code
        self.message = message
        self.wraps = wraps
        self.status = _STATUS[code]

    def wrapped(self, sentence):
        return RefusedError(self.code, self.message, sentence, *self.wraps)

    @property
    def body(self):
        inside = f"{_PREFIX[self.code]}: {self.message}"
        shown = _OUTSIDE.get(self.code, self.message)
        return {
            "code": self.code,
            "message": ": ".join([*self.wraps, inside]),
            "details": [
                {
                    "@type": "type.googleapis.com/google.rpc.Status",
                    "code": self.code,
                    "message": shown,
                }
            ],
        }


class UploadRefusedError(Exception):
    """What the upload handlers answer, which are no gRPC: less, and in other words."""

    def __init__(self, status, message):
        self.status = status
        self.body = {"error_message": message, "error_details": message}


def not_found(kind, name):
    return RefusedError(NOT_FOUND, f"{kind} {name} not found")


def invalid(message, *wraps):
    return RefusedError(INVALID, message, *wraps)
