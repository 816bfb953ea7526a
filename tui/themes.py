"""The themes. Every pair of colours that text is drawn in has a contrast of at least 4.5 : 1.

Textual's own themes derive muted text from its ground, and many pairs of theirs fall below 3 : 1;
so only these are offered, with the text colours given. ``tests/tui/test_contrast.py`` measures
them on every screen.
"""

from textual.theme import Theme

DARK = Theme(
    name="dark",
    dark=True,
    primary="#1b5e96",
    secondary="#004578",
    accent="#ffa62b",
    warning="#ffa62b",
    error="#ba3c5b",
    success="#4ebf71",
    foreground="#e6e6e6",
    background="#121212",
    surface="#1a1a1a",
    panel="#20262b",
    variables={
        "text-muted": "#b4b4b4",
        "text-disabled": "#aaaaaa",
        "text-primary": "#7cc0f5",
        "text-accent": "#ffc56e",
        "text-warning": "#ffc56e",
        "text-error": "#ff9db0",
        "text-success": "#86dba0",
        "primary-muted": "#123550",
        "warning-muted": "#4d3a12",
        "footer-key-foreground": "#ffc56e",
        "input-cursor-background": "#e6e6e6",
    },
)
LIGHT = Theme(
    name="light",
    dark=False,
    primary="#004578",
    secondary="#0178d4",
    accent="#8a4b00",
    warning="#8a4b00",
    error="#98204a",
    success="#1f6b38",
    foreground="#1b1b1b",
    background="#f2f2f2",
    surface="#e6e6e6",
    panel="#dadada",
    variables={
        "text-muted": "#474747",
        "text-disabled": "#525252",
        "text-primary": "#00457f",
        "text-accent": "#6b3a00",
        "text-warning": "#6b3a00",
        "text-error": "#8b1539",
        "text-success": "#145228",
        "primary-muted": "#c4d6e6",
        "warning-muted": "#f0dcb8",
        "footer-key-foreground": "#6b3a00",
        "input-cursor-background": "#1b1b1b",
    },
)
HIGH_CONTRAST = Theme(
    name="high-contrast",
    dark=True,
    primary="#0b3f73",
    secondary="#00284a",
    accent="#ffd75f",
    warning="#ffd75f",
    error="#8a1030",
    success="#5fff87",
    foreground="#ffffff",
    background="#000000",
    surface="#000000",
    panel="#101010",
    variables={
        "text-muted": "#e4e4e4",
        "text-disabled": "#d0d0d0",
        "text-primary": "#a8d8ff",
        "text-accent": "#ffe08a",
        "text-warning": "#ffe08a",
        "text-error": "#ffc0cc",
        "text-success": "#b0ffc4",
        "primary-muted": "#0b2c4a",
        "warning-muted": "#3a2e00",
        "footer-key-foreground": "#ffe08a",
        "input-cursor-background": "#ffffff",
    },
)
THEMES = (DARK, LIGHT, HIGH_CONTRAST)
