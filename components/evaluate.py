"""Step: compare the candidate with the champion on rows that neither has seen."""

from kfp import dsl

from components.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def evaluate(
    spec: str,
    store: str,
    run: str,
    job: str,
    start: str,
    end: str,
    scheduled: str,
    data: dsl.Input[dsl.Dataset],
    candidate: dsl.Input[dsl.Model],
    evaluation: dsl.Output[dsl.Artifact],
    metrics: dsl.Output[dsl.Metrics],
) -> str:
    """Say whether the candidate passes the spec's gate.

    Args:
        spec: the spec as JSON.
        store: the store's address.
        run: the run's name; `auto` for Kubeflow's job id.
        job: Kubeflow's job id.
        start: the window's start; `auto` for the spec's `training.history` before the end.
        end: the window's end, excluded.
        scheduled: when Kubeflow had scheduled the run, for a window that follows from it.
        data: the window's rows, with labels.
        candidate: the candidate's folder.
        evaluation: scores, interval, slices and the gate's verdict with its reasons, as JSON.
        metrics: both scores and their difference.

    Returns:
        `accept` or `reject`.
    """
    from components.spec.context import open_context
    from components.steps.training import evaluate_step

    context = open_context(spec, store, run, job, start, end, scheduled=scheduled)
    found = evaluate_step(context, data.path, candidate.path, evaluation.path)
    evaluation.metadata.update(verdict=found.verdict, reasons=found.reasons)
    for name, value in found.scores().items():
        metrics.log_metric(name, value)
    return found.verdict
