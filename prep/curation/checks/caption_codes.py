"""What can be found about captions: the codes of ``captions`` and ``sidecars``.

Facts: sd-scripts ``library/train_util.py`` (``read_caption``, ``process_caption``), mgds
``LoadMultipleTexts.py``; what CLIP's tokenizer makes of marks and spaces was tried out.
"""

from prep.curation.checks.codes import CheckCode, error, for_all, info, warning

CODES = (
    CheckCode(
        "caption-empty",
        "empty caption files",
        {
            "sd-scripts": error('sd-scripts stops at the first one: "caption file is empty".'),
            "onetrainer": warning("OneTrainer trains the image without any words."),
            "shikomi": warning("Training takes the trigger word or the folder's name instead."),
        },
        "--fix writes the trigger word; without one it removes the file.",
        safe=True,
    ),
    CheckCode(
        "caption-blank",
        "captions of spaces and line ends only",
        {
            "sd-scripts": warning("sd-scripts trains the image without any words."),
            "onetrainer": warning("OneTrainer trains the image without any words."),
            "shikomi": warning("Training takes the trigger word or the folder's name instead."),
        },
        "--fix writes the trigger word; without one it removes the file.",
        safe=True,
    ),
    CheckCode(
        "caption-first-line-blank",
        "captions that begin with an empty line",
        {
            "sd-scripts": warning("Only the first line is read: the image gets no words at all."),
            "shikomi": warning("Only the first line is read: the image gets no words of its own."),
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
        "--fix saves them as UTF-8 where the encoding is certain; else say it with --encoding.",
        safe=True,
    ),
    CheckCode(
        "caption-unreadable",
        "captions that may not be read",
        for_all(error("The trainer stops, or leaves the image out.")),
        "Check the owner and the permissions of the files.",
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
        for_all(warning("They become tokens of their own, and make another word of the tag.")),
        "--fix removes them.",
        safe=True,
    ),
    CheckCode(
        "caption-odd-spaces",
        "captions with tabs, double or wide spaces",
        for_all(info("Trainers pass over them; tools that compare tags may not.")),
        "--fix makes ordinary spaces of them.",
        safe=True,
    ),
    CheckCode(
        "caption-wide-commas",
        "tags parted by wide commas (，、)",
        for_all(
            warning("Trainers part tags at ordinary commas: these stay one tag when shuffled.")
        ),
        "--fix makes ordinary commas of them.",
        safe=True,
    ),
    CheckCode(
        "caption-empty-tags",
        "commas with no tag",
        for_all(info("Each costs a token, and keep_tokens counts it as a tag.")),
        "--fix removes them.",
        safe=True,
    ),
    CheckCode(
        "caption-extra-lines",
        "captions of several lines",
        {
            "sd-scripts": warning("Only the first line is read; the others are never trained."),
            "shikomi": warning("Only the first line is read; the others are never trained."),
        },
        "Join the lines; or set enable_wildcard in sd-scripts, and check with --wildcards.",
    ),
    CheckCode(
        "wildcard-braces",
        "wildcards whose braces do not pair",
        {"sd-scripts": warning("Parts of them are trained as text, braces and bars included.")},
        "Close each {a|b}, put none inside another, and write {{ }} for braces that are meant.",
    ),
    CheckCode(
        "wildcard-unused",
        "wildcards that are not expanded",
        {
            "sd-scripts": warning(
                "Without enable_wildcard all choices are trained as one text, braces included."
            ),
            "onetrainer": warning("All choices are trained as one text, braces included."),
            "shikomi": warning("All choices are trained as one text, braces included."),
        },
        "Choose one; or set enable_wildcard in sd-scripts, and check with --wildcards.",
    ),
    CheckCode(
        "captions-identical",
        "concepts whose captions are all the same",
        for_all(warning("Nothing tells the images apart: all they share is learned as one thing.")),
        "Caption what differs (shikomi tag); a style may do without.",
    ),
    CheckCode(
        "captions-bare",
        "captions that are the trigger word only",
        for_all(info("Everything that the images show is learned into the trigger word.")),
        "Fine for some styles; else caption what should stay changeable (shikomi tag).",
    ),
    CheckCode(
        "captions-repeated",
        "images with the same caption",
        for_all(info("Where the pictures differ, the captions could say how.")),
        "Look at them; copies of one picture are found by shikomi dupes.",
    ),
)

SIDECAR_CODES = (
    CheckCode(
        "caption-missing",
        "images without a caption",
        {
            "sd-scripts": warning("sd-scripts takes the name of the folder as the caption."),
            "onetrainer": warning("OneTrainer trains the image without any words."),
            "shikomi": warning("Training takes the trigger word or the folder's name instead."),
        },
        "shikomi tag writes captions.",
    ),
    CheckCode(
        "caption-elsewhere",
        "captions under a name that is not read",
        for_all(error("They are passed over, and the images are trained without them.")),
        "--fix renames them where there is one candidate.",
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
            "shikomi": info("The ending set in shikomi.toml decides."),
        },
        "Compare the two, and remove one.",
    ),
    CheckCode(
        "caption-borrowed",
        "images that are given another file's caption",
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
        for_all(info("They are never read; perhaps an image was renamed or lost.")),
        "Rename or remove them.",
    ),
    CheckCode(
        "mask-trained",
        "masks beside the images",
        {"sd-scripts": warning("sd-scripts trains them as if they were images of the concept.")},
        "Train on what shikomi export writes: it puts masks into a folder of their own.",
    ),
    CheckCode(
        "mask-orphan",
        "masks without an image",
        for_all(info("They are never read; perhaps an image was renamed or lost.")),
        "Rename or remove them.",
    ),
)
