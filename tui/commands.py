"""The one table of commands: source of key bindings, command palette and help screen.

A command belongs to a scope: ``app`` works everywhere, a stage's name only there, ``list``,
``editor``, ``chips`` and ``tagpanel`` while such a widget has the focus, ``picture`` on stages with
a large picture. In text fields, keys type text (typing mode, which the job strip shows), so letters
are free for commands everywhere else (command mode).

Titles and help are English here, whatever the language in use: the names of commands are made of
them. They are translated where they are shown.
"""

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from textual.binding import Binding, BindingType

from prep.language import _, marked

Run = Callable[[], Awaitable[None]]
_NONE: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class Command:
    """A command that users can run.

    Attributes:
        key: Textual's name of the key; several are separated by commas.
        action: Name of the action method, with its parameters.
        title: A few words, for footer and palette.
        help: One sentence, for palette and help screen.
        scope: Where it works.
        footer: Show it in the footer.
    """

    key: str
    action: str
    title: str
    help: str
    scope: str
    footer: bool = False

    @property
    def id(self) -> str:
        """Name for keymaps, such as ``images.add-tag``: scope and title."""
        return f"{self.scope}.{'-'.join(re.findall(r'[a-z]+', self.title.lower()))}"

    def label(self, keymap: Mapping[str, str] = _NONE) -> str:
        """Return the keys in readable form.

        Args:
            keymap: Other keys than those of the table, by id.
        """
        return " ".join(_plain(key) for key in keymap.get(self.id, self.key).split(","))


_PLAIN = {
    "question_mark": "?",
    "slash": "/",
    "comma": ",",
    "semicolon": ";",
    "asterisk": "*",
    "escape": "esc",
    "exclamation_mark": "!",
    "full_stop": ".",
    "left_square_bracket": "[",
    "right_square_bracket": "]",
}


def _plain(key: str) -> str:
    """Return the name of a key as it is printed on it."""
    if key[0] == "f" and key[1:].isdecimal():
        return key.upper()
    return _PLAIN.get(key, key)


_VIEWS = {
    "tag": (
        ("thresholds", marked("4 Tag: thresholds")),
        ("slider", marked("On a slider")),
        ("taggers", marked("4 Tag: taggers")),
    ),
    "train": (("log", marked("6 Train: the log")),),
    "samples": (("grid", marked("7 Samples: the grid")),),
}
"""Mode -> scope and heading of its views."""

STAGE_KEYS = {
    "review": ("0", "Review", "Decide what is still open, one thing at a time"),
    "images": ("1", "Images & captions", "View the images, write captions"),
    "dupes": ("2", "Duplicates", "Find duplicate pictures"),
    "crop": ("3", "Crop & buckets", "Choose what the trainer will use of each image"),
    "tag": ("4", "Tag", "Let a tagger write the first captions"),
    "plan": ("5", "Plan", "Trigger words, repeats, steps, memory and checks"),
    "train": ("6", "Train", "Train a LoRA and watch it"),
    "samples": ("7", "Samples", "View generated pictures"),
}
"""Mode -> key, title, help; in the order of the work."""


def function_key(key: str) -> str:
    """Return the function key that goes to a stage, also while typing: F10 for 0."""
    return f"f{int(key) or 10}"


COMMANDS: tuple[Command, ...] = (
    *(
        Command(f"{key},{function_key(key)}", f"go('{mode}')", title, f"{help_}.", "app")
        for mode, (key, title, help_) in STAGE_KEYS.items()
    ),
    Command("ctrl+p", "command_palette", "Find", "Find any command or verb by its words.", "app"),
    Command("question_mark", "help", "Help", "Show all keys.", "app", True),
    Command("u", "undo", "Undo", "Undo the last edit of captions or exclusions.", "app", True),
    Command("ctrl+r", "redo", "Redo", "Redo the edit that was undone last.", "app"),
    Command("r", "rescan", "Rescan", "Find images and captions changed outside.", "app"),
    Command("S", "stop_job", "Stop job", "Ask the running job to stop; twice kills it.", "app"),
    Command("semicolon,ctrl+g", "jump", "Jump", "Show a letter at each panel and input.", "app"),
    Command("P", "settings", "Settings", "Theme, pictures, language, keys.", "app"),
    Command("B", "notices", "Notices", "List what the bottom line has told.", "app"),
    Command("O", "open_other", "Open project", "Another project, a new one, or an import.", "app"),
    Command("I", "tour", "Tour", "Three steps on an example project.", "app"),
    Command("q", "quit", "Quit", "Quit; running jobs continue.", "app", True),
    Command("ctrl+q", "quit", "Quit while typing", "The same, also while typing.", "app"),
    # ---- lists ---------------------------------------------------------------------------
    Command("down,j", "move(1)", "Down", "Next line.", "list"),
    Command("up,k", "move(-1)", "Up", "Previous line.", "list"),
    Command("pagedown,ctrl+d", "page(1)", "Page down", "One page down.", "list"),
    Command("pageup,ctrl+u", "page(-1)", "Page up", "One page up.", "list"),
    Command("home,g", "first", "First", "To the first line.", "list"),
    Command("end,G", "last", "Last", "To the last line.", "list"),
    Command("right,l", "next_panel", "Next panel", "To the next panel.", "list"),
    Command("left,h", "previous_panel", "Previous panel", "To the previous panel.", "list"),
    Command("enter", "choose", "Choose", "Open or use the line.", "list"),
    # ---- caption editor ------------------------------------------------------------------
    Command("ctrl+s", "save", "Save", "Write the caption file.", "editor", True),
    Command(
        "ctrl+n,ctrl+down", "step(1)", "Save, next", "Save, and edit the next.", "editor", True
    ),
    Command("ctrl+up", "step(-1)", "Save, previous", "Save, and edit the previous.", "editor"),
    Command("escape", "leave_editor", "Back", "Back to the list; drafts are kept.", "editor", True),
    # ---- tags of an image ----------------------------------------------------------------
    Command("right,l", "step(1)", "Next tag", "To the next tag.", "chips"),
    Command("left,h", "step(-1)", "Previous tag", "To the previous tag.", "chips"),
    Command("down,j", "line(1)", "Tag below", "To the tag below.", "chips"),
    Command("up,k", "line(-1)", "Tag above", "To the tag above.", "chips"),
    Command("d,delete,backspace", "delete", "Delete tag", "Take this tag away.", "chips", True),
    Command("H,shift+left", "drag(-1)", "Move left", "Move this tag to the left.", "chips", True),
    Command("L,shift+right", "drag(1)", "Move right", "Or drag with the mouse.", "chips", True),
    Command("enter", "choose", "Images", "Show the images with this tag.", "chips", True),
    Command("escape", "leave", "Back", "Back to the list.", "chips", True),
    # ---- tags of all that are shown ------------------------------------------------------
    Command("enter", "choose", "Filter", "Show the images with this tag, or all.", "tagpanel"),
    Command("c", "edit_tag('replace')", "Rename", "Rename this tag.", "tagpanel", True),
    Command("d,delete", "edit_tag('remove')", "Delete", "Delete these tags.", "tagpanel", True),
    Command("space", "mark_tag", "Mark", "Mark a tag to be merged.", "tagpanel", True),
    Command("M", "edit_tag('merge')", "Merge", "Make one tag of these.", "tagpanel", True),
    # ---- forms of verbs ------------------------------------------------------------------
    Command("ctrl+t", "run", "Run", "Run the verb; long work becomes a job.", "verb", True),
    Command("ctrl+y", "dry", "Dry run", "Show what would change, write nothing.", "verb", True),
    Command("ctrl+l", "copy", "Copy command", "Copy the command line.", "verb", True),
    Command("ctrl+o", "more", "More options", "Show or hide the other options.", "verb", True),
    Command("down", "next", "Next", "To the next input; also enter and tab.", "verb"),
    Command("up", "previous", "Previous", "To the previous input; also shift+tab.", "verb"),
    Command("escape", "leave", "Back", "Back; what is typed is kept.", "verb", True),
    # ---- 0 review ------------------------------------------------------------------------
    Command("y", "answer('yes')", "Yes", "Do what is proposed.", "review", True),
    Command("n", "answer('no')", "No", "Leave it; not asked again.", "review", True),
    Command("f", "fix", "Fix", "Do the other thing, or go where it is done.", "review", True),
    Command("Y", "answer_alike('yes')", "Yes to all", "Yes to all like this one.", "review"),
    Command("N", "answer_alike('no')", "No to all", "No to all like this one.", "review"),
    Command("F", "answer_alike('fix')", "Fix all", "Fix all like this one.", "review"),
    Command("b", "answer('instead')", "Instead", "Exclude the left picture instead.", "review"),
    Command("s", "later", "Later", "Ask the rest first.", "review", True),
    Command(
        "exclamation_mark",
        "answer('never')",
        "Never",
        "Never ask this kind of thing about this image.",
        "review",
        True,
    ),
    Command("space", "next_picture", "Next picture", "Show the next one of these.", "review"),
    Command("t", "kind(1)", "Kind", "Only questions of the next kind.", "review", True),
    Command("T", "kind(-1)", "Kind back", "Only questions of the kind before.", "review"),
    Command("a", "search", "Ask again", "Look at everything again.", "review"),
    Command("escape", "all_kinds", "All kinds", "Questions of all kinds.", "review"),
    # ---- 1 images ------------------------------------------------------------------------
    Command("e", "edit", "Edit", "Write the caption of this image.", "images", True),
    Command("slash", "filter", "Filter", "Show only images that match.", "images", True),
    Command("space", "mark", "Select", "Select this image for the next command.", "images", True),
    Command("v", "mark_range", "Range", "Select from the last selected one to here.", "images"),
    Command("asterisk", "mark_all", "All", "Select everything shown, or nothing.", "images"),
    Command("o", "overlay", "Overlay", "Over the picture: cut, crops, mask.", "images"),
    Command("i", "invert", "Invert", "Select what is not selected.", "images"),
    Command("n", "next('untagged')", "No tags", "To the next image without tags.", "images", True),
    Command("N", "next('unreviewed')", "Unreviewed", "To the next that is not reviewed.", "images"),
    Command("R", "reviewed", "Reviewed", "Mark as reviewed, and go on.", "images", True),
    Command("y", "copy_tags", "Copy tags", "Copy the tags of this image.", "images"),
    Command("Y", "paste_tags", "Paste tags", "Add the copied tags to this image.", "images"),
    Command("E", "external", "Editor", "Write the caption in $EDITOR.", "images"),
    Command("F", "filters", "Filters", "Use, save or delete a filter with a name.", "images"),
    Command("U", "history", "History", "All edits; take back any of them.", "images"),
    Command("b", "bulk", "All edits", "The form of all bulk edits.", "images"),
    Command("a", "edit_tags('add')", "Add tag", "Add tags to many captions.", "images", True),
    Command("d", "edit_tags('remove')", "Drop tag", "Remove tags from many captions.", "images"),
    Command("c", "edit_tags('replace')", "Change tag", "Rename a tag.", "images"),
    Command("w", "edit_tags('trigger')", "Trigger", "Put the trigger word first.", "images"),
    Command("p", "edit_tags('rules')", "Rules", "Apply the rules of shikomi.toml.", "images"),
    Command("x", "exclude", "Exclude", "Exclude images, or include them.", "images", True),
    Command("m", "grid", "Grid", "Show pictures side by side, or the list.", "images", True),
    Command("f", "chips", "Its tags", "To the tags of this image.", "images", True),
    Command("t", "tags", "Tags", "Show or hide the list of all tags.", "images", True),
    Command("escape", "clear", "Clear", "Clear selection and filter.", "images"),
    # ---- 2 duplicates --------------------------------------------------------------------
    Command("f", "find", "Find", "Compare all pictures again.", "dupes", True),
    Command("x", "exclude_group", "Exclude others", "Exclude all but the kept one.", "dupes", True),
    Command(
        "X",
        "exclude_all",
        "All groups",
        "Show, then exclude others; unclear ones stay.",
        "dupes",
        True,
    ),
    Command("b", "keep", "Keep this", "Keep the picture on the right instead.", "dupes", True),
    Command("a", "keep_all", "Keep all", "All pictures of this group stay.", "dupes", True),
    Command("o", "reopen", "Decide again", "Take back what was decided of a group.", "dupes"),
    Command("space", "flip", "A/B", "Show one in the place of the other.", "dupes", True),
    Command("escape", "side_by_side", "Side by side", "Show both again.", "dupes"),
    Command("n", "next_picture", "Next picture", "Show the next one of the group.", "dupes", True),
    # ---- 3 crop --------------------------------------------------------------------------
    Command("e", "edit_crop", "Crop", "Move and resize the crop of this image.", "crop", True),
    Command("p", "take('subject')", "Subject", "Crop around the subject.", "crop", True),
    Command("b", "take('borders')", "No borders", "Cut the borders off.", "crop", True),
    Command("m", "take('usual')", "Usual shape", "Crop to a bucket that others use.", "crop", True),
    Command("n", "next_crop(1)", "Next crop", "The next crop of this image.", "crop"),
    Command("x", "clear_crops", "No crop", "Remove the crops of this image.", "crop", True),
    Command("left,h", "move_box(-1, 0)", "Left", "Move the crop; or drag it.", "box"),
    Command("right,l", "move_box(1, 0)", "Right", "Move the crop.", "box"),
    Command("up,k", "move_box(0, -1)", "Up", "Move the crop.", "box"),
    Command("down,j", "move_box(0, 1)", "Down", "Move the crop.", "box"),
    Command("shift+left,H", "grow_box(-1, 0)", "Narrower", "Or drag an edge.", "box"),
    Command("shift+right,L", "grow_box(1, 0)", "Wider", "Or drag an edge.", "box"),
    Command("shift+up,K", "grow_box(0, -1)", "Lower", "Or drag an edge.", "box"),
    Command("shift+down,J", "grow_box(0, 1)", "Taller", "Or drag an edge.", "box"),
    Command("a", "aspect(1)", "Aspect", "The next wider shape of a bucket.", "box", True),
    Command("A", "aspect(-1)", "Aspect back", "The next taller shape.", "box"),
    Command("f", "aspect(0)", "Free", "Any proportions; the trainer cuts the rest.", "box", True),
    Command("s", "step", "Step", "Large steps, or single pixels.", "box", True),
    Command("n", "next_crop(1)", "Next crop", "The next crop of this image.", "box", True),
    Command("c", "add_crop", "Add", "Another crop of this image.", "box", True),
    Command("x,delete", "remove_crop", "Remove", "Remove this crop.", "box", True),
    Command("enter,ctrl+s", "save_box", "Save", "Save the crops; u takes it back.", "box", True),
    Command("q,ctrl+q", "quit_box", "Save and quit", "Save the crops, and quit.", "box"),
    Command("escape", "leave_box", "Back", "Back to the list, without saving.", "box", True),
    # ---- 4 tag ---------------------------------------------------------------------------
    Command("ctrl+t", "start(False)", "Tag", "Tag the images.", "tag", True),
    Command("ctrl+y", "start(True)", "Dry run", "Show the tags, write nothing.", "tag", True),
    Command("f", "view('run')", "Run", "Taggers at work, and what they found.", "tag", True),
    Command("t", "view('thresholds')", "Thresholds", "Try other thresholds, live.", "tag", True),
    Command("m", "view('taggers')", "Taggers", "Choose, download, compare taggers.", "tag", True),
    Command("ctrl+l", "copy", "Copy command", "Copy the command line of the thresholds.", "tag"),
    Command("a", "take_over", "Take over", "Into captions, settings or both.", "thresholds", True),
    Command("right,l", "slide(1)", "More", "Raise a threshold by 0.01.", "slider"),
    Command("left,h", "slide(-1)", "Less", "Lower a threshold by 0.01.", "slider"),
    Command("shift+right,L", "slide(5)", "Much more", "Raise a threshold by 0.05.", "slider"),
    Command("shift+left,H", "slide(-5)", "Much less", "Lower a threshold by 0.05.", "slider"),
    Command("backspace", "reset", "Reset", "Back to the threshold in force.", "slider", True),
    Command("down,j", "next_slider(1)", "Next slider", "To the next category.", "thresholds"),
    Command("up,k", "next_slider(-1)", "Previous slider", "To the one before.", "thresholds"),
    Command("space", "also", "Also", "Let several taggers decide.", "taggers", True),
    Command("c", "combine", "Combine", "How several taggers decide.", "taggers", True),
    Command("d", "download", "Download", "Get this tagger from the hub.", "taggers", True),
    # ---- 5 plan --------------------------------------------------------------------------
    Command("e", "edit_cell", "Edit", "Type into this cell; steps follow.", "plan", True),
    Command("b", "balance", "Balance", "Take over the balanced repeats.", "plan", True),
    Command("w", "settings", "Settings", "To the settings of training, or back.", "plan", True),
    Command("R", "target", "Resolution", "Resolution, base model's family, name.", "plan", True),
    Command("m", "memory", "Memory", "Save settings, calculate the memory.", "plan", True),
    Command("c", "check", "Check", "Look for what trainers stumble over.", "plan", True),
    Command("f", "fix", "Fix", "Fix findings like this one; u takes it back.", "plan", True),
    Command("i", "to_image", "Image", "To the next image of this finding.", "plan", True),
    Command("ctrl+s", "save_settings", "Save settings", "Write what was changed.", "plan", True),
    # ---- 6 train -------------------------------------------------------------------------
    Command("ctrl+t", "start", "Start", "Export the set and start training.", "train", True),
    Command("s", "stop", "Stop", "Finish the step, save, end; twice kills.", "train", True),
    Command("c", "resume", "Resume", "Continue the job that was stopped.", "train", True),
    Command("w", "watch", "Form/watch", "To the form; esc goes back to the curve.", "train", True),
    Command("space", "mark", "Compare", "Lay this run over others.", "train", True),
    Command("o", "panel('log')", "Log", "The whole log, and back.", "train", True),
    Command("d", "panel('doctor')", "Doctor", "What the doctor says of this run.", "train", True),
    Command("p", "pause", "Pause", "Pause after the step, or go on.", "train", True),
    Command("v", "ask('save')", "Save now", "Save after the step.", "train"),
    Command("i", "ask('sample')", "Sample now", "Draw the samples after the step.", "train"),
    Command("comma", "look(-1)", "Sample before", "Show the sample before.", "train"),
    Command("full_stop", "look(1)", "Sample after", "Show the next sample.", "train"),
    Command(
        "left_square_bracket", "queue(-1)", "Sooner", "Move a waiting run up in the queue.", "train"
    ),
    Command(
        "right_square_bracket",
        "queue(1)",
        "Later",
        "Move a waiting run down in the queue.",
        "train",
    ),
    Command("escape", "unmark", "Only this", "Compare nothing, show the curve.", "train"),
    Command("slash", "search", "Search", "Look for words in the log.", "log", True),
    Command("n", "find(1)", "Next", "The next line with these words.", "log", True),
    Command("N", "find(-1)", "Before", "The one before.", "log"),
    # ---- 7 samples -----------------------------------------------------------------------
    Command("f", "reload", "Reload", "Look for new pictures.", "samples"),
    Command("t", "view", "Grid/all", "The grid, or all pictures in a list.", "samples", True),
    Command("space", "mark", "Mark A", "Keep this picture, to flip to it.", "samples", True),
    Command("b", "flip", "A/B", "Show A in its place, and back.", "samples", True),
    Command("w", "pick", "Winner", "Remember this LoRA as the best.", "samples", True),
    Command("n", "draw", "Draw more", "Write a prompt; drawn after the runs.", "samples", True),
    Command("down,j", "step(1, 0)", "Down", "The next prompt.", "grid"),
    Command("up,k", "step(-1, 0)", "Up", "The prompt before.", "grid"),
    Command("right,l", "step(0, 1)", "Right", "The next model.", "grid"),
    Command("left,h", "step(0, -1)", "Left", "The model before.", "grid"),
    # ---- pictures ------------------------------------------------------------------------
    Command("z", "toggle_zoom", "Zoom", "Enlarge the picture, or show all of it.", "picture", True),
    Command("plus,equals_sign", "zoom(1)", "Zoom in", "Enlarge; or turn the wheel.", "picture"),
    Command("minus", "zoom(-1)", "Zoom out", "Show more of the picture.", "picture"),
    Command("shift+left,H", "pan(-1, 0)", "Move left", "Or drag with the mouse.", "picture"),
    Command("shift+right,L", "pan(1, 0)", "Move right", "Move the enlarged part.", "picture"),
    Command("shift+up,K", "pan(0, -1)", "Move up", "Move the enlarged part.", "picture"),
    Command("shift+down,J", "pan(0, 1)", "Move down", "Move the enlarged part.", "picture"),
)


COLUMNS = (marked("key"), marked("what it does"), marked("name"))
"""Headings of a table of keys."""


def of(*scopes: str) -> list[Command]:
    """Return the commands of some scopes, in the order of the table."""
    return [command for command in COMMANDS if command.scope in scopes]


def bindings(*scopes: str) -> list[BindingType]:
    """Return the key bindings of some scopes, for ``BINDINGS``."""
    return [_binding(command) for command in of(*scopes)]


def titles() -> Iterable[tuple[str, str]]:
    """Yield (scope, heading), in the order of the help screen."""
    yield "app", _("Everywhere")
    yield "list", _("In lists")
    yield "editor", _("In the caption editor")
    yield "chips", _("On the tags of an image")
    yield "tagpanel", _("In the list of all tags")
    yield "picture", _("Picture")
    yield "box", _("In the crop")
    yield "verb", _("In forms of verbs (ctrl+p)")
    for mode, (key, title, _help) in STAGE_KEYS.items():
        yield mode, f"{key} {_(title)}"
        yield from ((view, _(heading)) for view, heading in _VIEWS.get(mode, ()))


def _binding(command: Command) -> Binding:
    return Binding(
        command.key,
        command.action,
        command.title,
        show=command.footer,
        tooltip=command.help,
        id=command.id,
    )
