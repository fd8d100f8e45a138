"""The model behind KServe's model server: `python kserve_model.py MODEL --http_port N ...`.

A custom predictor as KServe's documentation has it, which answers with probabilities; the model
gets arrays. It does what KServe's own sklearnserver does, less what that does for data frames.
"""

import sys

import joblib
import numpy as np
from kserve import InferOutput, InferResponse, Model, ModelServer


class Bench(Model):
    """Answers to both protocols of KServe."""

    def __init__(self, path):
        super().__init__("bench")
        self._model = joblib.load(path)
        self.ready = True

    def predict(self, payload, headers=None):
        """Version 1 comes as a dictionary, version 2 as an `InferRequest`."""
        if isinstance(payload, dict):
            rows = np.array(payload["instances"])
            return {"predictions": self._model.predict_proba(rows).tolist()}
        answer = self._model.predict_proba(payload.inputs[0].as_numpy())
        output = InferOutput("probability", list(answer.shape), "FP64", data=answer)
        return InferResponse(
            response_id=payload.id or "bench",
            model_name=self.name,
            infer_outputs=[output],
            use_binary_outputs=payload.use_binary_outputs,
            requested_outputs=payload.request_outputs,
        )


if __name__ == "__main__":
    ModelServer().start([Bench(sys.argv[1])])
