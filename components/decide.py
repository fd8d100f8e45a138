"""Step: decide about a window, once."""

from kfp import dsl

from components.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def decide(
    spec: str,
    store: str,
    run: str,
    job: str,
    start: str,
    end: str,
    scheduled: str,
    schema: dsl.Input[dsl.Artifact],
    drift: dsl.Input[dsl.Artifact],
    skew: dsl.Input[dsl.Artifact],
    performance: dsl.Input[dsl.Artifact],
    decision: dsl.Output[dsl.Artifact],
) -> str:
    """Apply the spec's policy to the verdicts on one window.

    Args:
        spec: the spec as JSON.
        store: the store's address.
        run: the run's name; `auto` for Kubeflow's job id.
        job: Kubeflow's job id.
        start: the window's start.
        end: the window's end, excluded.
        scheduled: when Kubeflow had scheduled the run, for a window that follows from it.
        schema: the schema check's verdict.
        drift: the data-drift check's verdict.
        skew: the skew check's verdict.
        performance: the concept-drift check's verdict.
        decision: the decision with all its reasons, as JSON.

    Returns:
        `none`, `alert` or `retrain`.
    """
    from components.spec.context import open_context
    from components.steps.decide import decide_step

    context = open_context(spec, store, run, job, start, end, scheduled=scheduled)
    verdicts = [artifact.path for artifact in (schema, drift, skew, performance)]
    made = decide_step(context, verdicts, decision.path)
    decision.metadata.update(action=made.action, reasons=made.reasons)
    return made.action
