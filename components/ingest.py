"""Step: read one window from the source, or from the prediction log, into one Parquet file."""

from kfp import dsl

from components.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def ingest(
    spec: str,
    store: str,
    run: str,
    job: str,
    start: str,
    end: str,
    scheduled: str,
    as_of: str,
    purpose: str,
    data: dsl.Output[dsl.Dataset],
) -> int:
    """Read a window's rows.

    Args:
        spec: the spec as JSON.
        store: the store's address.
        run: the run's name; `auto` for Kubeflow's job id.
        job: Kubeflow's job id.
        start: the window's start; `auto` for the spec's `training.history` before the end.
        end: the window's end, excluded.
        scheduled: when Kubeflow had scheduled the run, for a window that follows from it.
        as_of: labels that arrive later than this are not known yet; `now` for the present.
        purpose: `training` or `monitoring` for the source, `predictions` for the prediction log.
        data: the window's rows.

    Returns:
        The number of rows.
    """
    from components.spec.context import open_context
    from components.steps.ingest import ingest_step

    context = open_context(spec, store, run, job, start, end, as_of, scheduled)
    report = ingest_step(context, purpose, data.path)
    data.metadata.update(report)
    return int(report["rows"])
