"""Step: train a candidate."""

from kfp import dsl

from components.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def train(
    spec: str,
    store: str,
    run: str,
    job: str,
    start: str,
    end: str,
    scheduled: str,
    data: dsl.Input[dsl.Dataset],
    candidate: dsl.Output[dsl.Model],
    metrics: dsl.Output[dsl.Metrics],
    classification: dsl.Output[dsl.ClassificationMetrics],
) -> float:
    """Fit the spec's estimator on a window and measure it on the window's latest part.

    Args:
        spec: the spec as JSON.
        store: the store's address.
        run: the run's name; `auto` for Kubeflow's job id.
        job: Kubeflow's job id.
        start: the window's start; `auto` for the spec's `training.history` before the end.
        end: the window's end, excluded.
        scheduled: when Kubeflow had scheduled the run, for a window that follows from it.
        data: the window's rows, with labels.
        candidate: the candidate's folder: model, schema, reference profile, metrics.
        metrics: every metric that fits the task, on the held-out rows.
        classification: confusion matrix and ROC curve, for a classifier.

    Returns:
        The spec's metric on the held-out rows.
    """
    from components.spec.context import open_context
    from components.steps.training import train_step

    context = open_context(spec, store, run, job, start, end, scheduled=scheduled)
    record = train_step(context, data.path, candidate.path)
    candidate.metadata.update(sha256=record.model_sha256, fit_window=record.fit_window)
    for name, value in record.metrics.items():
        metrics.log_metric(name, value)
    if record.confusion is not None:
        classification.log_confusion_matrix(record.labels, record.confusion)
    if record.roc is not None:
        classification.log_roc_curve(record.roc.fpr, record.roc.tpr, record.roc.thresholds)
    return record.score
