"""Step: package a proven candidate and make it the champion."""

from kfp import dsl

from components.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def deploy(
    spec: str,
    store: str,
    run: str,
    job: str,
    start: str,
    end: str,
    scheduled: str,
    data: dsl.Input[dsl.Dataset],
    candidate: dsl.Input[dsl.Model],
    evaluation: dsl.Input[dsl.Artifact],
    proof: dsl.Input[dsl.Artifact],
    card: dsl.Output[dsl.Markdown],
) -> str:
    """Deploy the candidate, if both proofs are there and speak of this very model.

    Where another release was deployed since the evaluation, it is compared with that one first.

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
        evaluation: the gate's verdict.
        proof: the serving proof.
        card: the release's model card.

    Returns:
        The version that is deployed now.
    """
    from components.spec.context import open_context
    from components.steps.deploy import deploy_step

    context = open_context(spec, store, run, job, start, end, scheduled=scheduled)
    return deploy_step(
        context,
        data.path,
        candidate.path,
        evaluation.path,
        proof.path,
        card.path,
    )
