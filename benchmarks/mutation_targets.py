"""What ``benchmarks.mutation`` plants faults into, the tests that should notice, and exceptions."""

_CAPTIONS = (
    "tests/prep/captions/test_captions.py",
    "tests/prep/captions/test_caption_text.py",
    "tests/prep/captions/test_sentences.py",
    "tests/prep/captions/test_rules.py",
    "tests/prep/captions/test_layers.py",
    "tests/prep/captions/test_shuffle.py",
)
_PLAN = (
    "tests/prep/training_set/test_plan.py",
    "tests/prep/training_set/test_balance.py",
    "tests/prep/ops/test_plan_op.py",
)
_JOURNAL = ("tests/prep/dataset/test_edits.py", "tests/prep/dataset/test_changes.py")
_SCORES = (
    "tests/prep/tagging/test_scores.py",
    "tests/prep/tagging/test_scores_sparse.py",
    "tests/prep/tagging/test_scores_ensemble.py",
    "tests/prep/tagging/test_scores_ops.py",
    "tests/prep/tagging/test_tag_doubts.py",
)

_STEPS = ("tests/train/run/test_steps.py", "tests/train/run/test_after_steps.py")
_OPTIM = ("tests/train/optim", *_STEPS)
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
    "prep/captions/sentences.py": _CAPTIONS,
    "prep/dataset/journal/changes.py": _JOURNAL,
    "prep/dataset/journal/edits.py": _JOURNAL,
    "prep/tagging/scores/thresholds.py": _SCORES,
    "prep/tagging/scores/thresholding.py": _SCORES,
    "prep/tagging/scores/doubts.py": _SCORES,
    "train/arithmetic/loss.py": ("tests/train/arithmetic", *_STEPS),
    "train/arithmetic/noise.py": ("tests/train/arithmetic", *_STEPS),
    "train/lora/algorithms.py": _NETWORKS,
    "train/lora/keys.py": _NETWORKS,
    "train/networks/base.py": _NETWORKS,
    "train/networks/build.py": _NETWORKS,
    "train/networks/lora.py": _NETWORKS,
    "train/optim/optimizers.py": _OPTIM,
    "train/optim/schedules.py": _OPTIM,
    "train/optim/state.py": _OPTIM,
    "train/run/checkpoint.py": _OPTIM,
    "train/run/loop.py": _STEPS,
    "train/run/objective.py": _STEPS,
}
"""File -> tests, as pytest takes them: files, folders or single tests."""

Key = tuple[str, str, str, str]
"""File, function, the code before, the code after; as the script prints them."""

_ON_A_GPU = "Devices differ only on a GPU, where a resumed run shows it."

EXPLAINED: dict[Key, str] = {
    (
        "train/optim/state.py",
        "_home",
        "name == 'step' and (not (defaults.get('fused') or defaults.get('capturable')))",
        "name == 'step' or not (defaults.get('fused') or defaults.get('capturable'))",
    ): _ON_A_GPU,
    (
        "train/optim/state.py",
        "_home",
        "name == 'step' and (not (defaults.get('fused') or defaults.get('capturable')))",
        "name == 'step?' and (not (defaults.get('fused') or defaults.get('capturable')))",
    ): _ON_A_GPU,
    (
        "train/optim/state.py",
        "_home",
        "name == 'step' and (not (defaults.get('fused') or defaults.get('capturable')))",
        "name != 'step' and (not (defaults.get('fused') or defaults.get('capturable')))",
    ): _ON_A_GPU,
    (
        "train/optim/state.py",
        "_home",
        "name == 'step' and (not (defaults.get('fused') or defaults.get('capturable')))",
        "name == 'step' and (defaults.get('fused') or defaults.get('capturable'))",
    ): _ON_A_GPU,
    (
        "train/optim/state.py",
        "_home",
        "name == 'step' and (not (defaults.get('fused') or defaults.get('capturable')))",
        "name == 'step' and (not (defaults.get('fused') and defaults.get('capturable')))",
    ): _ON_A_GPU,
    (
        "train/optim/state.py",
        "_home",
        "return torch.device('cpu')",
        "return None",
    ): _ON_A_GPU,
    (
        "train/optim/state.py",
        "_home",
        "return parameter.device",
        "return None",
    ): _ON_A_GPU,
    (
        "train/optim/optimizers.py",
        "_adamw",
        "fused = device.type == 'cuda'",
        "fused = device.type == 'cuda?'",
    ): _ON_A_GPU,
    (
        "train/networks/base.py",
        "Network.detach",
        "self._handles.clear()",
        "pass",
    ): "Removing a hook twice does nothing.",
    (
        "train/networks/base.py",
        "Network._hook.<locals>.add",
        "return output",
        "return None",
    ): "A hook that returns nothing leaves the output as it is.",
    (
        "train/networks/build.py",
        "fresh_network",
        "0",
        "1",
    ): "A default that only tests use.",
    (
        "train/networks/build.py",
        "fresh_network",
        "0",
        "-1",
    ): "A default that only tests use.",
    (
        "train/networks/lora.py",
        "",
        "conv_alpha: float = 1.0",
        "conv_alpha: float = 2.0",
    ): "A default that only tests use, and without effect at conv_rank 0.",
    (
        "train/run/checkpoint.py",
        "",
        "validated: int = -1",
        "validated: int = -2",
    ): "Any number that is no step.",
    (
        "train/run/checkpoint.py",
        "",
        "validated: int = -1",
        "validated: int = -0",
    ): "Step 0 is validated before all others.",
    (
        "train/run/checkpoint.py",
        "",
        "started: float = 0.0",
        "started: float = 1.0",
    ): "Always given.",
    (
        "train/run/checkpoint.py",
        "save_state",
        "old.unlink(missing_ok=True)",
        "old.unlink(missing_ok=False)",
    ): "Matters only when somebody else removes the file at the same moment.",
    (
        "train/arithmetic/noise.py",
        "NoiseSchedule.zero_terminal_snr",
        "return bool(self.signal[-1] < 1e-06)",
        "return bool(self.signal[-1] <= 1e-06)",
    ): "A schedule ends in exactly nothing, or in a thousand times more.",
    (
        "train/arithmetic/noise.py",
        "NoiseSchedule.zero_terminal_snr",
        "return bool(self.signal[-1] < 1e-06)",
        "return bool(self.signal[-1] < 2e-06)",
    ): "A schedule ends in exactly nothing, or in a thousand times more.",
    (
        "train/run/objective.py",
        "_coin",
        "generator(seed, 'flip', epoch, exposure.image.content, exposure.turn).random() < 0.5",
        "generator(seed, 'flip?', epoch, exposure.image.content, exposure.turn).random() < 0.5",
    ): "Another coin, as fair.",
    (
        "train/run/objective.py",
        "_coin",
        "generator(seed, 'flip', epoch, exposure.image.content, exposure.turn).random() < 0.5",
        "generator(seed, 'flip', epoch, exposure.image.content, exposure.turn).random() <= 0.5",
    ): "One draw in 2^53 is exactly a half.",
    (
        "prep/images/buckets.py",
        "Buckets._cover_fit",
        "scale = bucket[1] / height if aspect > bucket[0] / bucket[1] else bucket[0] / width",
        "scale = bucket[1] / height if aspect >= bucket[0] / bucket[1] else bucket[0] / width",
    ): "Where both are equal, either side gives the same scale.",
    (
        "prep/training_set/plan/__init__.py",
        "Plan._batch_sum",
        "counts[seen.bucket] += seen.exposures",
        "counts[seen.bucket] -= seen.exposures",
    ): "All that is asked is whether the batch size divides them.",
    (
        "prep/training_set/plan/breakdown.py",
        "_images",
        "held[path] += seen.held_out",
        "held[path] -= seen.held_out",
    ): "All that is asked is whether there are any.",
    (
        "prep/training_set/plan/balance.py",
        "balanced",
        "wanted = list(weights or [1.0] * len(images))",
        "wanted = list(weights or [2.0] * len(images))",
    ): "Only the ratios of weights count.",
    (
        "prep/training_set/plan/balance.py",
        "balanced",
        "len(images) < 2",
        "len(images) < 1",
    ): "A short cut: one concept is even with itself, so that today's repeats win.",
    (
        "prep/captions/__init__.py",
        "",
        "REMEMBERED = 200000",
        "REMEMBERED = 200001",
    ): "How much is remembered shows in memory and time only.",
    (
        "prep/captions/__init__.py",
        "",
        "REMEMBERED = 200000",
        "REMEMBERED = 199999",
    ): "How much is remembered shows in memory and time only.",
    (
        "prep/captions/__init__.py",
        "TagCache.__init__",
        "super().__init__()",
        "pass",
    ): "A new dictionary is empty.",
    (
        "prep/captions/shuffle.py",
        "varied_tags",
        "rng.random() < rules.dropout",
        "rng.random() <= rules.dropout",
    ): "Once in 2^53 draws.",
    (
        "prep/captions/shuffle.py",
        "varied_tags",
        "loose = [tag for tag in loose if rng.random() >= rules.tag_dropout]",
        "loose = [tag for tag in loose if rng.random() > rules.tag_dropout]",
    ): "Once in 2^53 draws.",
    (
        "prep/captions/rules.py",
        "Rules._expanded",
        "break",
        "continue",
    ): "Rounds that add nothing.",
    (
        "prep/captions/rules.py",
        "Rules.rank",
        "return lambda tag: (self.places.get(captions.key(tag), 0), rank(tag) if rank else 0)",
        "return lambda tag: (self.places.get(captions.key(tag), 0), rank(tag) if rank else 1)",
    ): "The same number for every tag.",
    (
        "prep/captions/rules.py",
        "Rules.rank",
        "return lambda tag: (self.places.get(captions.key(tag), 0), rank(tag) if rank else 0)",
        "return lambda tag: (self.places.get(captions.key(tag), 0), rank(tag) if rank else -1)",
    ): "The same number for every tag.",
    (
        "prep/captions/rewrite_tags.py",
        "_LineRewriter._cut",
        "least = self._cuts[-1] if self._cuts else 0",
        "least = self._cuts[-0] if self._cuts else 0",
    ): "A later mark never costs less in front of an earlier one.",
    (
        "prep/captions/rewrite_tags.py",
        "_LineRewriter._bring_forward",
        "end > 0 and self._new[end - 1][1] < 0",
        "end >= 0 and self._new[end - 1][1] < 0",
    ): "Beyond the beginning all tags are new, and none is brought forward.",
    (
        "prep/captions/rewrite_tags.py",
        "_LineRewriter._bring_forward",
        "end > 0 and self._new[end - 1][1] < 0",
        "end > -1 and self._new[end - 1][1] < 0",
    ): "Beyond the beginning all tags are new, and none is brought forward.",
    (
        "prep/captions/rewrite_tags.py",
        "_LineRewriter._bring_forward",
        "len(self._cuts) > 1 and self._cuts[-1] < place",
        "len(self._cuts) > 1 and self._cuts[-1] <= place",
    ): "Sets a number that is equal already.",
    (
        "prep/captions/rewrite_tags.py",
        "_LineRewriter._edge",
        "return ''",
        "return None",
    ): "Nothing is put either way.",
    (
        "prep/captions/rewrite_tags.py",
        "sorted_line",
        "[*pieces.units(), (-1, [])]",
        "[*pieces.units(), (-2, [])]",
    ): "A mark for the end: no section has this number.",
    (
        "prep/captions/structure.py",
        "",
        "_REMEMBERED = 1 << 16",
        "_REMEMBERED = 2 << 16",
    ): "How much is remembered shows in memory and time only.",
    (
        "prep/captions/structure.py",
        "",
        "_REMEMBERED = 1 << 16",
        "_REMEMBERED = 0 << 16",
    ): "How much is remembered shows in memory and time only.",
    (
        "prep/captions/structure.py",
        "",
        "_REMEMBERED = 1 << 16",
        "_REMEMBERED = 1 << 17",
    ): "How much is remembered shows in memory and time only.",
    (
        "prep/captions/structure.py",
        "",
        "_REMEMBERED = 1 << 16",
        "_REMEMBERED = 1 << 15",
    ): "How much is remembered shows in memory and time only.",
    (
        "prep/captions/structure.py",
        "LineParts.habit",
        "return seen.most_common(1)[0][0] if seen else SEPARATOR",
        "return seen.most_common(2)[0][0] if seen else SEPARATOR",
    ): "The first one is the same.",
    (
        "prep/captions/structure.py",
        "LineParts.units",
        "last = -1",
        "last = -2",
    ): "No group has this number.",
    (
        "prep/captions/structure.py",
        "_raw_pieces",
        "pieces.append((line[start:match.start()], match[1]))",
        "pieces.append((line[start:match.start()], match[0]))",
    ): "The group is the whole of the match, when it is there.",
    (
        "prep/dataset/journal/changes.py",
        "",
        "_PORTION = 512",
        "_PORTION = 513",
    ): "Shows in time only.",
    (
        "prep/dataset/journal/changes.py",
        "",
        "_PORTION = 512",
        "_PORTION = 511",
    ): "Shows in time only.",
    ("prep/dataset/journal/changes.py", "", "_THREADS = 8", "_THREADS = 9"): "Shows in time only.",
    ("prep/dataset/journal/changes.py", "", "_THREADS = 8", "_THREADS = 7"): "Shows in time only.",
    (
        "prep/dataset/journal/changes.py",
        "",
        "_WORTH_THREADS = 4",
        "_WORTH_THREADS = 5",
    ): "Shows in time only.",
    (
        "prep/dataset/journal/changes.py",
        "",
        "_WORTH_THREADS = 4",
        "_WORTH_THREADS = 3",
    ): "Shows in time only.",
    (
        "prep/dataset/journal/changes.py",
        "ChangeApplier._captions",
        "len(changes) < _WORTH_THREADS",
        "len(changes) <= _WORTH_THREADS",
    ): "Shows in time only.",
    (
        "prep/dataset/journal/edits.py",
        "",
        "_PATIENCE = 60.0",
        "_PATIENCE = 120.0",
    ): "How long is long enough is a matter of taste.",
    (
        "prep/dataset/journal/edits.py",
        "Journal._record",
        "edit = int(cursor.lastrowid or 0)",
        "edit = int(cursor.lastrowid or 1)",
    ): "For the type checker: an inserted row has an id.",
    (
        "prep/dataset/journal/edits.py",
        "Journal._record",
        "edit = int(cursor.lastrowid or 0)",
        "edit = int(cursor.lastrowid or -1)",
    ): "For the type checker: an inserted row has an id.",
    (
        "prep/dataset/journal/edits.py",
        "Journal.__init__",
        "exclusive(self._lock, 0)",
        "exclusive(self._lock, -1)",
    ): "Not to wait at all, either way.",
}
"""Faults that change nothing anybody can observe, with the reason; judged by a person."""
