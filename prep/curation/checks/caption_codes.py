"""Check codes about captions, for ``captions`` and ``sidecars``.

Sources: sd-scripts ``library/train_util.py`` (``read_caption``, ``process_caption``), mgds
``LoadMultipleTexts.py``; the effect of marks and spaces on CLIP's tokenizer was tested.
"""

from prep.curation.checks.codes import CheckCode, error, for_all, info, warning

CODES = (
    CheckCode(
        "caption-empty",
        "empty caption files",
        {
            "sd-scripts": error('sd-scripts stops at the first one: "caption file is empty".'),
            "onetrainer": warning("OneTrainer trains on the image without any words."),
            "shikomi": warning("Training uses the trigger word or the folder's name instead."),
        },
        "--fix writes the trigger word; without one it removes the file.",
        safe=True,
    ),
    CheckCode(
        "caption-blank",
        "captions of only spaces and line ends",
        {
            "sd-scripts": warning("sd-scripts trains on the image without any words."),
            "onetrainer": warning("OneTrainer trains on the image without any words."),
            "shikomi": warning("Training uses the trigger word or the folder's name instead."),
        },
        "--fix writes the trigger word; without one it removes the file.",
        safe=True,
    ),
    CheckCode(
        "caption-first-line-blank",
        "captions that begin with an empty line",
        {
            "sd-scripts": warning("Only the first line is read: the image gets no words at all."),
            "shikomi": warning(
                "Only the first line is read: the image gets only the default caption."
            ),
        },
        "--fix removes the empty lines.",
        safe=True,
    ),
    CheckCode(
        "caption-encoding",
        "captions that are not UTF-8",
        {
            "sd-scripts": error("sd-scripts stops at the first one."),
            "onetrainer": error("OneTrainer stops at the first one."),
            "shikomi": error("The image is left out."),
        },
        "--fix saves them as UTF-8 if the encoding is certain; otherwise give it with --encoding.",
        safe=True,
    ),
    CheckCode(
        "caption-unreadable",
        "captions that cannot be read",
        for_all(error("The trainer stops, or leaves the image out.")),
        "Shorten those that are too large; of others, check the owner and the permissions.",
    ),
    CheckCode(
        "caption-bom",
        "captions that begin with a byte order mark",
        {
            "sd-scripts": warning("The mark stays in the text and costs up to three tokens."),
            "onetrainer": warning("The mark stays in the text and costs up to three tokens."),
        },
        "--fix removes it.",
        safe=True,
    ),
    CheckCode(
        "caption-odd-characters",
        "captions with control or invisible characters",
        for_all(warning("They become separate tokens and turn the tag into another word.")),
        "--fix removes them.",
        safe=True,
    ),
    CheckCode(
        "caption-odd-spaces",
        "captions with tabs, double or wide spaces",
        for_all(info("Trainers ignore them; tools that compare tags may not.")),
        "--fix replaces them with ordinary spaces.",
        safe=True,
    ),
    CheckCode(
        "caption-wide-commas",
        "tags separated by wide commas (，、)",
        for_all(
            warning("Trainers split tags at ordinary commas: these stay one tag when shuffled.")
        ),
        "--fix replaces them with ordinary commas.",
        safe=True,
    ),
    CheckCode(
        "caption-not-english",
        "captions with Japanese, Chinese or Korean words",
        for_all(
            warning(
                "The base model has learned English: to its text encoder, such words are characters"
                " without a meaning."
            )
        ),
        "Write English tags; shikomi tag writes them from the image.",
    ),
    CheckCode(
        "caption-empty-tags",
        "commas without a tag",
        for_all(info("Each costs a token, and keep_tokens counts it as a tag.")),
        "--fix removes them.",
        safe=True,
    ),
    CheckCode(
        "caption-extra-lines",
        "captions with several lines",
        {
            "sd-scripts": warning("Only the first line is read; the others are never used."),
            "shikomi": warning("Only the first line is read; the others are never used."),
        },
        "Join the lines, or set enable_wildcard in sd-scripts, and check with --wildcards.",
    ),
    CheckCode(
        "wildcard-braces",
        "wildcards with unbalanced braces",
        {"sd-scripts": warning("Parts of them are used as text, including braces and bars.")},
        "Close each {a|b}, do not nest them, and write {{ }} for literal braces.",
    ),
    CheckCode(
        "wildcard-unused",
        "wildcards that are not expanded",
        {
            "sd-scripts": warning(
                "Without enable_wildcard all choices are used as one text, including braces."
            ),
            "onetrainer": warning("All choices are used as one text, including braces."),
            "shikomi": warning("All choices are used as one text, including braces."),
        },
        "Choose one, or set enable_wildcard in sd-scripts, and check with --wildcards.",
    ),
    CheckCode(
        "captions-identical",
        "concepts whose captions are all identical",
        for_all(
            warning(
                "Nothing distinguishes the images: everything they share is learned as one thing."
            )
        ),
        "Caption what differs (shikomi tag); a style may not need it.",
    ),
    CheckCode(
        "captions-bare",
        "captions with only the trigger word",
        for_all(info("Everything that the images show is learned as part of the trigger word.")),
        "Fine for some styles; otherwise caption what should stay controllable (shikomi tag).",
    ),
    CheckCode(
        "captions-repeated",
        "images with the same caption",
        for_all(info("If the pictures differ, the captions could say how.")),
        "Review them; shikomi dupes finds copies of a picture.",
    ),
)

SIDECAR_CODES = (
    CheckCode(
        "caption-missing",
        "images without a caption",
        {
            "sd-scripts": warning("sd-scripts uses the name of the folder as the caption."),
            "onetrainer": warning("OneTrainer trains on the image without any words."),
            "shikomi": warning("Training uses the trigger word or the folder's name instead."),
        },
        "shikomi tag writes captions.",
    ),
    CheckCode(
        "caption-elsewhere",
        "captions with a name that is not read",
        for_all(error("They are ignored, and the images are trained on without them.")),
        "--fix renames them if there is only one candidate.",
        safe=True,
    ),
    CheckCode(
        "caption-two-files",
        "two different captions for one image",
        {
            "sd-scripts": warning(
                "Which one is read depends on caption_extension, whose default is .caption."
            ),
            "onetrainer": info("OneTrainer reads the .txt."),
            "shikomi": info("The suffix set in shikomi.toml decides."),
        },
        "Compare the two, and remove one.",
    ),
    CheckCode(
        "caption-borrowed",
        "images that get the caption of another file",
        {
            "sd-scripts": warning(
                "Without a caption of its own, a path with five parts between underscores loses"
                " its last four, and the caption under that name is read."
            )
        },
        "Write a caption for the image (shikomi tag), or rename it.",
    ),
    CheckCode(
        "caption-orphan",
        "captions without an image",
        for_all(info("They are never read; an image may have been renamed or lost.")),
        "Rename or remove them.",
    ),
    CheckCode(
        "mask-trained",
        "masks beside the images",
        {"sd-scripts": warning("sd-scripts trains on them as if they were images of the concept.")},
        "Train on an export (shikomi export), which puts masks into a separate folder.",
    ),
    CheckCode(
        "mask-orphan",
        "masks without an image",
        for_all(info("They are never read; an image may have been renamed or lost.")),
        "Rename or remove them.",
    ),
)
