"""Step: prove that the real model server answers as the candidate does."""

from kfp import dsl

from components.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def validate_serving(
    spec: str,
    store: str,
    run: str,
    job: str,
    start: str,
    end: str,
    scheduled: str,
    data: dsl.Input[dsl.Dataset],
    candidate: dsl.Input[dsl.Model],
    proof: dsl.Output[dsl.Artifact],
) -> bool:
    """Start the model server with the candidate and compare its answers with the model's own.

    Args:
        spec: the spec as JSON.
        store: the store's address.
        run: the run's name; `auto` for Kubeflow's job id.
        job: Kubeflow's job id.
        start: the window's start; `auto` for the spec's `training.history` before the end.
        end: the window's end, excluded.
        scheduled: when Kubeflow had scheduled the run, for a window that follows from it.
        data: the window's rows.
        candidate: the candidate's folder.
        proof: what was sent and what differed, as JSON.

    Returns:
        True; a candidate that fails makes the step fail.
    """
    from components.spec.context import open_context
    from components.steps.training import validate_step

    context = open_context(spec, store, run, job, start, end, scheduled=scheduled)
    found = validate_step(context, data.path, candidate.path, proof.path)
    proof.metadata.update(passed=found.passed, rows=found.rows)
    return found.passed
