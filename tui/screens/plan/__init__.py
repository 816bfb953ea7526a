"""Stage 5: trigger words, repeats and steps, with the arithmetic shown."""

from tui.screens.plan.screen import PlanScreen as PlanScreen
