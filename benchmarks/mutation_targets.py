"""What ``benchmarks.mutation`` plants faults into, and the tests that should notice."""

_CAPTIONS = (
    "tests/prep/captions/test_captions.py",
    "tests/prep/captions/test_caption_text.py",
    "tests/prep/captions/test_sentences.py",
    "tests/prep/captions/test_rules.py",
    "tests/prep/captions/test_layers.py",
    "tests/prep/captions/test_shuffle.py",
    "tests/prep/captions/test_mix.py",
)
_PLAN = (
    "tests/prep/training_set/test_plan.py",
    "tests/prep/training_set/test_balance.py",
    "tests/prep/ops/test_plan_op.py",
)
_JOURNAL = ("tests/prep/dataset/test_edits.py", "tests/prep/dataset/test_changes.py")
_SCORES = (
    "tests/prep/tagging/test_thresholding.py",
    "tests/prep/tagging/test_scores.py",
    "tests/prep/tagging/test_scores_sparse.py",
    "tests/prep/tagging/test_scores_ensemble.py",
    "tests/prep/tagging/test_scores_ops.py",
    "tests/prep/tagging/test_tag_doubts.py",
)

_STEPS = (
    "tests/train/run/test_steps.py",
    "tests/train/run/test_after_steps.py",
    "tests/train/run/test_objective.py",
    "tests/train/run/test_step_log.py",
)
_OPTIM = ("tests/train/optim", "tests/train/run/test_optimizers.py", *_STEPS)
_NETWORKS = ("tests/train/networks", "tests/train/lora", "tests/train/run/test_steps.py")

TARGETS: dict[str, tuple[str, ...]] = {
    "prep/images/buckets.py": ("tests/prep/images/test_buckets.py",),
    "prep/training_set/plan/__init__.py": _PLAN,
    "prep/training_set/plan/balance.py": _PLAN,
    "prep/training_set/plan/breakdown.py": _PLAN,
    "prep/training_set/plan/split.py": _PLAN,
    "prep/training_set/manifest.py": (
        "tests/prep/training_set/test_manifest.py",
        "tests/prep/ops/test_export_safety.py",
    ),
    "prep/captions/__init__.py": _CAPTIONS,
    "prep/captions/structure.py": _CAPTIONS,
    "prep/captions/rewrite_tags.py": _CAPTIONS,
    "prep/captions/rules.py": _CAPTIONS,
    "prep/captions/layers.py": _CAPTIONS,
    "prep/captions/shuffle.py": _CAPTIONS,
    "prep/captions/mix.py": _CAPTIONS,
    "prep/captions/sentences.py": _CAPTIONS,
    "prep/dataset/journal/changes.py": _JOURNAL,
    "prep/dataset/journal/edits.py": _JOURNAL,
    "prep/tagging/scores/thresholds.py": _SCORES,
    "prep/tagging/scores/thresholding.py": _SCORES,
    "prep/tagging/scores/doubts.py": _SCORES,
    "prep/curation/review/present.py": ("tests/prep/ops/test_review.py",),
    "prep/dataset/journal/decisions.py": (
        "tests/prep/dataset/test_decisions.py",
        "tests/prep/ops/test_review.py",
    ),
    "prep/system/queue.py": ("tests/prep/system", "tests/train/job/test_run_queue.py"),
    "train/hub.py": ("tests/train/test_hub.py",),
    "train/run/gate.py": ("tests/train/run/test_gate.py",),
    "train/run/gradients.py": ("tests/train/run/test_micro_batches.py", *_STEPS),
    "train/run/micro_batches.py": ("tests/train/run/test_micro_batches.py",),
    "train/run/ledger.py": ("tests/train/run/test_ledger.py",),
    "train/run/validation.py": ("tests/train/run/test_validation.py",),
    "train/doctor/learning.py": ("tests/train/doctor",),
    "train/arithmetic/loss.py": ("tests/train/arithmetic", *_STEPS),
    "train/arithmetic/noise.py": ("tests/train/arithmetic", *_STEPS),
    "train/arithmetic/perturbation.py": ("tests/train/arithmetic", *_STEPS),
    "train/arithmetic/weighting.py": ("tests/train/arithmetic", *_STEPS),
    "train/data/dataset.py": ("tests/train/data",),
    "train/data/latents.py": ("tests/train/data",),
    "train/data/reading.py": ("tests/train/data",),
    "train/data/views.py": ("tests/train/data",),
    "train/families/clip.py": ("tests/train/families",),
    "train/families/conditioning.py": ("tests/train/families",),
    "train/lora/algorithms.py": _NETWORKS,
    "train/lora/keys.py": _NETWORKS,
    "train/networks/base.py": _NETWORKS,
    "train/networks/build.py": _NETWORKS,
    "train/networks/lora.py": _NETWORKS,
    "train/optim/flat.py": _OPTIM,
    "train/optim/lion.py": _OPTIM,
    "train/optim/optimizers.py": _OPTIM,
    "train/optim/schedules.py": _OPTIM,
    "train/optim/state.py": _OPTIM,
    "train/optim/stepper.py": _OPTIM,
    "train/run/batches.py": ("tests/train/run/test_batches.py", *_STEPS),
    "train/run/checkpoint.py": _OPTIM,
    "train/run/loop.py": _STEPS,
    "train/run/monitor.py": _STEPS,
    "train/run/objective.py": _STEPS,
    "train/settings/objective.py": ("tests/train/arithmetic",),
    "train/settings/optimization.py": ("tests/train/optim",),
}
"""File -> tests, as pytest takes them: files, folders or single tests."""
